"""Measures how good a ranked list is, with intervals and beside simple rules."""
