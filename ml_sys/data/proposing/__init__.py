"""Propose a description of tables that were looked at."""
