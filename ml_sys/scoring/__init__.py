"""Gives prospects their probabilities, a file at a time."""
