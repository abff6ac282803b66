"""Tests of ml_sys.registry."""
