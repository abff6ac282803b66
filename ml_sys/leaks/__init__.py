"""Leak checks: canaries and what they measure."""
