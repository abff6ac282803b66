"""Checks that the past alone cannot explain too much: canaries and what they measure."""
