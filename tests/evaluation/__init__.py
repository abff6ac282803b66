"""Tests of ml_sys.evaluation."""
