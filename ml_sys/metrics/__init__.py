"""Figures of a ranked list, with intervals and beside simple rules."""
