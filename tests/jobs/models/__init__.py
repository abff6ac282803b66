"""Tests of ml_sys.jobs.models."""
