"""Handed-out lists, the experiment inside them, and their outcomes."""
