"""Tests of ml_sys.data.checking."""
