"""Use cases of models: train a version, judge it, put it into production, make it again."""
