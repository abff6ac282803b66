"""Use cases of lists: rank prospects and hand the list out."""
