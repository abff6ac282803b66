"""Use cases of past lists: make them again to judge, compare or tune settings."""
