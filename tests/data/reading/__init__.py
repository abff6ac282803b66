"""Tests of ml_sys.data.reading."""
