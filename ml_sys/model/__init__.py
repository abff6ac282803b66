"""Fit the Pipeline, calibrate it, and store it on disk."""
