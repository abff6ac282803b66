"""Each result as tables for a person, and as plain data for ``--json``; a module per subject."""
