"""Tests of ml_sys.sample."""
