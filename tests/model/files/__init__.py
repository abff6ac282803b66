"""Tests of ml_sys.model.files."""
