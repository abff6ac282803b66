"""Keeps every version of the model, and decides which one is in production."""
