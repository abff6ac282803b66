"""What values may be, and what is said of those that are refused."""
