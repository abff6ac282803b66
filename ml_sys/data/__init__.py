"""Gets tables in: sources, validation, quarantine, snapshots, and a generated sample."""
