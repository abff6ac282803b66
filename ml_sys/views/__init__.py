"""Show results as tables, or as plain data for ``--json``; one module per subject."""
