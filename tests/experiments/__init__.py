"""Tests of ml_sys.experiments."""
