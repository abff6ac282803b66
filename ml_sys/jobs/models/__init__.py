"""Use cases of models: train a version, judge it, promote it, reproduce it."""
