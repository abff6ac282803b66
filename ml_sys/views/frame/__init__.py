"""How a cell is written, the same in every view."""
