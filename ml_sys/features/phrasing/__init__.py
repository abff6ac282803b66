"""What features say in words."""
