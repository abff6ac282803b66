"""Fits the one Pipeline, calibrates it, and keeps it on disk."""
