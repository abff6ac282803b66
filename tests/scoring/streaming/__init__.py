"""Tests of ml_sys.scoring.compiled."""
