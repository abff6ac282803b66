"""Tests of ml_sys.data.judging."""
