"""Tests of ml_sys.jobs.data."""
