"""Gets tables in: sources, validation, quarantine and snapshots."""
