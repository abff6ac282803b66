"""The sections of the page, each written from one part of the evidence."""
