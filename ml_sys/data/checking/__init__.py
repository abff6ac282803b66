"""Check values and rows: what a value may be, and which rows of a table are good."""
