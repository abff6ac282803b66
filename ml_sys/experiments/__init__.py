"""Fit on past cutoffs: backtests, comparisons and the search for better settings."""
