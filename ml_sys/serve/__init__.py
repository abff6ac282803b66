"""Answers over HTTP with the model that is in production."""
