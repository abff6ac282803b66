"""Tests of ml_sys.commands."""
