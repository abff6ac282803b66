"""Tests of lists that were handed out, and of what came of them."""
