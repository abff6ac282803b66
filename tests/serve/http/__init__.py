"""Tests of ml_sys.serve.http."""
