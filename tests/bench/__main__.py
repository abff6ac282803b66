"""Runs the benchmarks, each in a process of its own: all but two, or some by name."""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "startup",
    "gate",
    "ingest",
    "events",
    "windows",
    "resampling",
    "serving",
    "interval_coverage",
    "impact",
    "outcomes",
    "drift",
    "list_coverage",
    "steadiness",
    "training",
    "scoring",
)
# One measures on a snapshot or version that is there, the other takes an hour.
BY_NAME = ("quality", "scale")
TAKE_ARTIFACTS = ("serving", "scoring", "quality")


def main() -> None:
    """Run each benchmark in a process of its own, so that peak memory is its own."""
    asked = parser().parse_args()
    for name in asked.names or BENCHMARKS:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"tests.bench.{name}"]
        command += ["--smallest"] if asked.smallest else []
        if asked.artifacts and name in TAKE_ARTIFACTS:
            command += ["--artifacts", str(asked.artifacts)]
        subprocess.run(command, check=True)


def parser() -> argparse.ArgumentParser:
    """Return the parser, whose help lists the benchmarks."""
    names = (*BENCHMARKS, *BY_NAME)
    made = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        epilog="benchmarks:\n" + "\n".join(f"  {name:<19}{_first_sentence(name)}" for name in names),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("names", nargs="*", metavar="NAME", choices=[*names, []], help="see below")
    made.add_argument("--smallest", action="store_true", help="at the smallest size, to see that they run")
    made.add_argument("--artifacts", type=Path, help=f"folder with a version ({', '.join(TAKE_ARTIFACTS)})")
    return made


def _first_sentence(name: str) -> str:
    """Return what a benchmark's own text begins with, without importing what it measures."""
    text = ast.get_docstring(ast.parse((Path(__file__).parent / f"{name}.py").read_text())) or ""
    return text.partition("\n")[0]


if __name__ == "__main__":
    main()
