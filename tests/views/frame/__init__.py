"""Tests of ml_sys.views.frame."""
