"""Tests of ml_sys.engine."""
