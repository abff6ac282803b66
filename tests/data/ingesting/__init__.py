"""Tests of ml_sys.data.ingesting."""
