"""Read rows of text with line numbers from any kind of source."""
