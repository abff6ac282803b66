"""Generates the tables of a product whose teams share workspaces: raw events, and true probabilities."""
