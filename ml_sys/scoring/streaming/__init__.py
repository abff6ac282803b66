"""What lets lists of millions be made in little memory: rows held outside it, and pages of a ranking."""
