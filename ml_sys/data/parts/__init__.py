"""Cuts what is known of companies into parts, which lie apart and are read one at a time."""
