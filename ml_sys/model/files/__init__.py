"""A version on disk: its files, their digests and what they say."""
