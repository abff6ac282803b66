"""Runs the benchmarks: ``python -m tests.bench``, or some by name: ``python -m tests.bench startup``."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("startup", "gate", "ingest", "windows", "serving", "coverage", "list_coverage")


def main() -> None:
    """Run each benchmark in a process of its own, so that peak memory is its own."""
    wanted = sys.argv[1:] or BENCHMARKS
    unknown = sorted(set(wanted) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in wanted:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=True)


if __name__ == "__main__":
    main()
