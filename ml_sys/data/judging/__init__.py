"""Judge described tables: which entities there are, who converted, and what is known only after paying."""
