"""Read tables: sources, validation, quarantine and snapshots."""
