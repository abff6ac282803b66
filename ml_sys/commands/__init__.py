"""The commands, one module per subject; each parses, calls one use case and shows its result."""
