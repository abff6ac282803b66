"""Reads the tables of an ingest, and makes usage of them."""
