"""Tests of ml_sys.features."""
