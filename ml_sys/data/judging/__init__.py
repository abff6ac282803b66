"""Judge tables as they are described: who there is, who converted, and what is known only after paying."""
