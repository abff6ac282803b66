"""Use cases of data: propose, check and ingest tables, and forget a company."""
