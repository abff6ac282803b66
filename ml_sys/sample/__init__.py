"""Generates sample tables whose true probabilities are known."""
