"""Start-up: ``mlsys --help`` against importing the two libraries that any such program needs."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

BUDGET = 2.0
_RUNS = 15


def main() -> None:
    """Print both times, taken in turns, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", action="store_true", help="once, to see that it runs")
    runs = 1 if parser.parse_args().smallest else _RUNS
    commands = {
        "python -c 'import typer, rich'": [sys.executable, "-c", "import typer, rich"],
        "mlsys --help": [sys.executable, "-m", "ml_sys", "--help"],
    }
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            best[name] = min(best[name], time.perf_counter() - start)
    floor, ours = best.values()
    for name, seconds in best.items():
        print(f"{name:<34}{seconds * 1000:8.0f} ms")
    print(f"{'ratio':<34}{ours / floor:8.2f}x   budget {BUDGET}x")


if __name__ == "__main__":
    main()
