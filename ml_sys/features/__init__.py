"""Turns usage and firmographics into what was knowable about a company at a cutoff."""
