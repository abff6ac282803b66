"""The torture of the registry from the command line.

    python -m tests.torture kill --rounds 200
    python -m tests.torture race --seconds 60 --processes 8

Works in a scratch folder on a small sample, prints one line of counts, and exits with 1 if anything was not
as it has to be.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.killing import Killing
from tests.torture.place import Place
from tests.torture.racing import race


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.partition("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    killing = kinds.add_parser("kill", help="kill commands at random instants")
    killing.add_argument("--rounds", type=int, default=200)
    racing = kinds.add_parser("race", help="run many commands at once")
    racing.add_argument("--seconds", type=float, default=60)
    racing.add_argument("--processes", type=int, default=8)
    for one in (killing, racing):
        one.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlsys-torture-") as folder:
        place = Place(Path(folder).resolve())
        if args.kind == "kill":
            size = f"{args.rounds} rounds"
            torment = Killing(place, random.Random(args.seed))  # noqa: S311 - a test
            torment.run(args.rounds)
            counts, failures = torment.counts, torment.failures
        else:
            size = f"{args.processes} processes, {args.seconds:g} s"
            counts, failures = race(place, args.seconds, args.processes, args.seed)
    said = ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
    sys.stderr.writelines(f"{failure}\n" for failure in failures)
    took = time.monotonic() - began
    sys.stdout.write(
        f"{args.kind}: {size}: {said}; {len(failures)} failures (seed {args.seed}, {took:.0f} s)\n"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
