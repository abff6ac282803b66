"""Use cases: what each command does, from settings to result, without a terminal."""
