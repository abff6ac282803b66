"""Where partitions of a long piece of work run: in processes of this machine, or on a Dask cluster."""
