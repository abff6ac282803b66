"""Keep usage and features on disk if they are too large for memory."""
