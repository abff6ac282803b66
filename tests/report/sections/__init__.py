"""Tests of ml_sys.report.sections."""
