"""Prospects that are companies of a snapshot: who is free, what they used, and their list part by part."""
