"""Score prospects: from a file to a ranked list."""
