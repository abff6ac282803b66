"""Features: what was knowable about a company at a cutoff, from usage and attributes."""
