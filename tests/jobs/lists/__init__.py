"""Tests of ml_sys.jobs.lists."""
