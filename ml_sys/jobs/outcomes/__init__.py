"""Use cases on lists that were handed out: the experiment inside them, and what came of both."""
