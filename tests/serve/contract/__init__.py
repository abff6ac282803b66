"""Tests of ml_sys.serve.contract.requests."""
