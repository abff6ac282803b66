"""The API contract: requests and answers."""
