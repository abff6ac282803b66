"""Tests of ml_sys.leaks."""
