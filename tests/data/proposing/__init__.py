"""Tests of ml_sys.data.proposing."""
