"""Tests of ml_sys.jobs.outcomes."""
