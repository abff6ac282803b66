"""How good a ranked list is: metrics with intervals, compared with simple rules."""
