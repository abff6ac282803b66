"""Keeps on disk what is too much for memory: usage that features are computed from, and features."""
