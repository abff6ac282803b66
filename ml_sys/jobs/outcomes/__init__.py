"""Use cases on handed-out lists: the experiment inside them, and the outcomes of both."""
