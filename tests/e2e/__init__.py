"""Tests of whole jobs, through the command line."""
