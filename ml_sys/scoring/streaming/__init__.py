"""Make lists of millions of companies in little memory: rows on disk, and a ranking in pages."""
