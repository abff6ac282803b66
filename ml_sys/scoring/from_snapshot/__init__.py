"""Score the free companies of a snapshot, part by part."""
