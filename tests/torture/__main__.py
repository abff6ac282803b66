"""The torture of the registry and of the service from the command line.

    python -m tests.torture kill --rounds 200
    python -m tests.torture kill --weekly --rounds 100
    python -m tests.torture kill --weekly --postgresql --rounds 20
    python -m tests.torture race --seconds 60 --processes 8
    python -m tests.torture swap --seconds 60 --changes 100
    python -m tests.torture soak --seconds 30
    python -m tests.torture overload --seconds 14 --set max_concurrency=32
    python -m tests.torture term --workers 2
    python -m tests.torture worker --workers 2

Works in a scratch folder on a small sample, prints one line of counts, and exits with 1 if anything was not
as it has to be. ``--artifacts`` takes versions from a copy of a folder; else some small ones are trained.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.outcomes import postgresql
from tests.torture import serving
from tests.torture.killing import Killing
from tests.torture.place import Place
from tests.torture.racing import race
from tests.torture.service import make_versions
from tests.torture.weeks import KillingWeeks

# Of the service, with how long each takes and with how many workers.
SERVING = {"swap": (60.0, 1), "soak": (30.0, 1), "overload": (14.0, 1), "term": (2.0, 1), "worker": (9.0, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.partition("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    killing = kinds.add_parser("kill", help="kill commands at random instants")
    killing.add_argument("--rounds", type=int, default=200)
    killing.add_argument(
        "--weekly", action="store_true", help="kill weeks played forward, in each of their steps"
    )
    killing.add_argument("--postgresql", action="store_true", help="with --weekly: keep lists there")
    racing = kinds.add_parser("race", help="run many commands at once")
    racing.add_argument("--seconds", type=float, default=60)
    racing.add_argument("--processes", type=int, default=8)
    of_the_service = {name: kinds.add_parser(name, help=_help(name)) for name in SERVING}
    for name, (seconds, workers) in SERVING.items():
        of_the_service[name].add_argument("--seconds", type=float, default=seconds)
        of_the_service[name].add_argument("--workers", type=int, default=workers)
        of_the_service[name].add_argument("--artifacts", type=Path, help="with versions; it is copied")
    of_the_service["swap"].add_argument("--changes", type=int, default=100)
    of_the_service["overload"].add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    for one in (killing, racing, *of_the_service.values()):
        one.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlsys-torture-") as folder:
        place = None if args.kind in SERVING else Place(Path(folder).resolve())
        counts: dict[str, Any]
        if place is None:
            size = f"{args.workers} workers, {args.seconds:g} s"
            counts, failures = _of_the_service(args, Path(folder).resolve())
        elif args.kind == "kill" and args.weekly:
            size = f"{args.rounds} weeks" + (" on PostgreSQL" if args.postgresql else "")
            counts, failures = _weeks(place, args)
        elif args.kind == "kill":
            size = f"{args.rounds} rounds"
            torment = Killing(place, random.Random(args.seed))  # noqa: S311 - a test
            torment.run(args.rounds)
            counts, failures = torment.counts, torment.failures
        else:
            size = f"{args.processes} processes, {args.seconds:g} s"
            counts, failures = race(place, args.seconds, args.processes, args.seed)
    said = ", ".join(f"{name} {number}" for name, number in _in_order(counts, args.kind))
    sys.stderr.writelines(f"{failure}\n" for failure in failures)
    took = time.monotonic() - began
    sys.stdout.write(
        f"{args.kind}: {size}: {said}; {len(failures)} failures (seed {args.seed}, {took:.0f} s)\n"
    )
    return 1 if failures else 0


def _weeks(place: Place, args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    chance = random.Random(args.seed)  # noqa: S311 - a test
    programs = postgresql.binaries() if args.postgresql else None
    if args.postgresql and programs is None:
        raise SystemExit("there is no PostgreSQL here: apt install postgresql")
    with ExitStack() as stack:
        torment = KillingWeeks(place, chance)
        if programs is not None:
            server = stack.enter_context(postgresql.running(programs))
            torment = KillingWeeks(place, chance, lambda: postgresql.new_database(server))
        torment.run(args.rounds)
    return torment.counts, torment.failures


def _in_order(counts: dict[str, Any], kind: str) -> list[tuple[str, Any]]:
    return list(counts.items()) if kind in SERVING else sorted(counts.items())


def _help(kind: str) -> str:
    return str(getattr(serving, kind).__doc__).partition(":")[0].rstrip(".").lower()


def _of_the_service(args: argparse.Namespace, folder: Path) -> serving.Found:
    if args.artifacts:
        artifacts = folder / "artifacts"
        shutil.copytree(args.artifacts, artifacts, ignore=shutil.ignore_patterns("predictions.*"))
    else:
        artifacts = make_versions(folder)
    if args.kind == "swap":
        return serving.swap(artifacts, args.seconds, args.changes, args.workers, args.seed)
    if args.kind == "soak":
        return serving.soak(artifacts, args.seconds, args.workers, args.seed)
    if args.kind == "overload":
        options = dict(one.split("=", 1) for one in args.set)
        return serving.overload(artifacts, args.seconds, args.workers, options)
    act = serving.term if args.kind == "term" else serving.worker
    return act(artifacts, args.seconds, args.workers)


if __name__ == "__main__":
    sys.exit(main())
