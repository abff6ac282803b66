"""Tests of ml_sys.data.looking."""
