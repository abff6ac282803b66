"""Features: what could be known about a company at a cutoff, from usage and attributes."""
