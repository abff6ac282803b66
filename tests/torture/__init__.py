"""What a registry has to live through: commands killed at random instants, and many at once."""
