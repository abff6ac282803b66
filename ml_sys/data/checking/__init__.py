"""What a value may be, and which rows of a table are good."""
