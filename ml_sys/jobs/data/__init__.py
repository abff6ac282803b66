"""Use cases of data: read the tables of a company, and forget one company."""
