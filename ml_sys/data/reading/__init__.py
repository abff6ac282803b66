"""Rows of text with line numbers, whatever they are read from."""
