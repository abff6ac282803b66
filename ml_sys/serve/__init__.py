"""Serve the model in production over HTTP."""
