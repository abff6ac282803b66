"""The model registry: every version, and which one is in production."""
