"""Tests of ml_sys.scoring.from_snapshot."""
