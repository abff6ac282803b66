"""Tests of ml_sys.metrics."""
