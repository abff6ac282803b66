"""Tests of ml_sys.jobs.past."""
