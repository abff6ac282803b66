"""Cells and tables that several views share."""
