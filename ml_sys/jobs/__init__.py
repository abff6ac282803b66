"""Use cases: what each command does, from settings to a result, without a terminal."""
