"""The report on a version: its evidence, the page and the card."""
