"""Cut snapshots into parts that are stored separately and read one at a time."""
