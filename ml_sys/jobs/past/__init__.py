"""Use cases of the past: make past lists again to judge, compare or search settings."""
