"""What is known of a version, and the page and card that show it."""
