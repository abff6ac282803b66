"""The compiled scorer: a model as arrays, and the loops over them."""
