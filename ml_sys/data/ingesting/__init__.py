"""Read the tables of an ingest, and turn them into usage."""
