"""What a registry has to live through: commands killed at random instants, and many at once.

    python -m tests.torture kill --rounds 200
    python -m tests.torture race --seconds 60 --processes 8

Each works in a scratch folder on a small sample, runs the real command line in children of a process that has
done all imports, prints one line of counts, and exits with 1 if anything was not as it has to be.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import filelock

from ml_sys import cli
from ml_sys.registry.audit import Record
from ml_sys.registry.index import replayed
from ml_sys.registry.store import Registry

# What commands import when they run; done once here, so that a child is at work at once. Nothing is computed
# before the fork: OpenMP's threads do not survive it.
WARM = (
    "ml_sys.commands.training", "ml_sys.commands.promotion", "ml_sys.commands.integrity", "ml_sys.console",
    "ml_sys.features.window_kernel", "ml_sys.registry.creation", "ml_sys.registry.promotion",
    "ml_sys.registry.verification", "ml_sys.views.training", "ml_sys.views.promotion",
    "ml_sys.views.integrity",
)  # fmt: skip
SETTINGS = """
threads = 1
[features]
windows_days = [28]
[split]
validation_folds = 2
[model]
max_trees = 5
early_stopping_rounds = 5
[bootstrap]
resamples = 2
[gate]
resamples = 100
min_positives = 1
"""
SAMPLE = ("--companies", "500", "--weeks", "45", "--seed", "5")
# Verifying is about every version, so a new registry now and then keeps the rounds short.
ROUNDS_PER_REGISTRY = 20
BEFORE_THE_RACE = 3
FORCED = ("promote", "--force", "--reason", "torture")
STEPS = ("write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "ftruncate", "close")


@dataclass(frozen=True)
class Outcome:
    """What became of a command: its exit code (negative for a signal), what it printed, and where it was."""

    code: int
    out: str
    err: str
    inside: bool

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(self.out))


class Place:
    """A scratch folder with a sample that is ingested, in which commands are run in forked children."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        (folder / "conf").mkdir()
        (folder / "conf" / "mlsys.toml").write_text(SETTINGS)
        roles = {"customers": "customers", "noncustomers": "noncustomers", "usage": "usage_actions"}
        self.must("sample", "tables", *SAMPLE)
        self.must("ingest", *(f"--{role}=tables/{name}.csv" for role, name in roles.items()))
        shutil.copytree(self.artifacts, folder / "ingested")

    def begin_anew(self) -> None:
        """Start with an empty registry."""
        shutil.rmtree(self.artifacts)
        shutil.copytree(self.folder / "ingested", self.artifacts)

    def must(self, *argv: str) -> Outcome:
        """Run a command that has to work."""
        outcome = self.finish(self.start(argv))
        if outcome.code:
            raise SystemExit(f"mlsys {' '.join(argv)}: {outcome.code}\n{outcome.out}\n{outcome.err}")
        return outcome

    def start(self, argv: Sequence[str], die_at: int | None = None) -> int:
        """Start a command in a child; with ``die_at`` it kills itself at that step under the lock."""
        (self.folder / "inside").unlink(missing_ok=True)

        def work() -> int:
            os.chdir(self.folder)
            for descriptor, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            steps = _watch_the_lock(Path("inside"), die_at)
            code = _main(argv)
            Path("steps").write_text(str(steps()))
            return code

        return _forked(work)

    def finish(self, child: int) -> Outcome:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out, err = ((self.folder / name).read_text() for name in ("out", "err"))
        return Outcome(code, out, err, (self.folder / "inside").exists())

    def index(self) -> dict[str, Any]:
        path = self.artifacts / "registry.json"
        none: dict[str, Any] = {"versions": {}, "production": None, "replaced": []}
        return dict(json.loads(path.read_text())) if path.exists() else none


def _forked(work: Callable[[], int]) -> int:
    """Start a process that does some work and exits with what it returns; nothing else of ours runs in it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def _main(argv: Sequence[str]) -> int:
    sys.argv = ["mlsys", *argv, "--json"]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _watch_the_lock(inside: Path, die_at: int | None) -> Callable[[], int]:
    """Let a file exist while this process holds the lock, and count what it does to the disk meanwhile."""
    held, steps = False, 0
    acquire, release = filelock.FileLock.acquire, filelock.FileLock.release

    def watched_acquire(lock: Any, *args: Any, **more: Any) -> Any:
        nonlocal held
        proxy = acquire(lock, *args, **more)
        inside.touch()
        held = True
        return proxy

    def watched_release(lock: Any, *args: Any, **more: Any) -> None:
        nonlocal held
        held = False
        inside.unlink(missing_ok=True)
        release(lock, *args, **more)

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **more: Any) -> Any:
            nonlocal steps
            steps += held
            if held and steps == die_at:
                if name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        return call

    filelock.FileLock.acquire = watched_acquire  # type: ignore[method-assign]
    filelock.FileLock.release = watched_release  # type: ignore[method-assign]
    for name in STEPS:
        setattr(os, name, counted(name))
    return lambda: steps


@dataclass
class Killing:
    """Kills commands and checks after each that nothing is lost and everything goes on."""

    place: Place
    chance: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    # What a command took when it was last let through: seconds, and steps under the lock.
    took: dict[str, tuple[float, int]] = field(default_factory=dict)

    def run(self, rounds: int) -> None:
        for argv in (["train"], ["train"], [*FORCED, "1.0.0"], [*FORCED, "1.0.1"], ["rollback"]):
            began = time.monotonic()
            self.place.must(*argv)
            self.took[argv[0]] = time.monotonic() - began, int((self.place.folder / "steps").read_text())
        for number in range(rounds):
            if number % ROUNDS_PER_REGISTRY == 0:
                self.place.begin_anew()
            if problem := self._round():
                self.failures.append(f"round {number}: {problem}")

    def _round(self) -> str:
        before = self.place.index()
        argv = self._command(before)
        seconds, steps = self.took[argv[0]]
        under_the_lock = self.chance.random() < 0.5
        child = self.place.start(argv, self.chance.randint(1, steps) if under_the_lock else None)
        if not under_the_lock:
            time.sleep(self.chance.uniform(0, seconds))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        outcome = self.place.finish(child)
        self.counts[f"{argv[0]} killed" if outcome.killed else "finished before"] += 1
        self.counts["inside"] += outcome.killed and outcome.inside
        verified = self.place.finish(self.place.start(["verify", "--all"]))
        after = self.place.index()
        return (
            _wrong(argv, outcome, before, after)
            or (f"verify exits with {verified.code}: {verified.out}{verified.err}" if verified.code else "")
            or self._goes_on(after)
        )

    def _command(self, index: dict[str, Any]) -> list[str]:
        acts = [["train"], ["train"], *[["rollback"]] * bool(index["replaced"])]
        return self.chance.choice([*acts, *[self._promotion(index)] * 2] if _others(index) else acts)

    def _promotion(self, index: dict[str, Any]) -> list[str]:
        return [*FORCED, self.chance.choice(_others(index))]

    def _goes_on(self, index: dict[str, Any]) -> str:
        """Run the next command unharmed."""
        argv = self._promotion(index) if _others(index) else ["train"]
        following = self.place.finish(self.place.start(argv))
        after = self.place.index()
        gone_on = after["production"] == argv[-1] or (argv[0] == "train" and after["versions"])
        return (
            ""
            if following.code == 0 and gone_on
            else f"next, {argv} exits with {following.code}: {following.err}"
        )


def _others(index: dict[str, Any]) -> list[str]:
    return [version for version in index["versions"] if version != index["production"]]


def _wrong(argv: Sequence[str], outcome: Outcome, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Say what a command that was killed, or got through, left otherwise than it may; empty if nothing."""
    if not outcome.killed and outcome.code:
        return f"{argv} exits with {outcome.code}: {outcome.err}"
    new = set(after["versions"]) - set(before["versions"])
    if missing := set(before["versions"]) - set(after["versions"]):
        return f"{argv} lost {missing}"
    if len(new) > (argv[0] == "train"):
        return f"{argv} made {new}"
    if argv[0] == "train" and not outcome.killed and new != {outcome.said["version"]}:
        return f"{argv} reported {outcome.said['version']} and made {new}"
    statuses = [one["version"] for one in after["versions"].values() if one["status"] == "production"]
    if statuses != [one for one in [after["production"]] if one is not None]:
        return f"{argv} left {statuses} with the status, and the pointer at {after['production']}"
    old = before["production"]
    target = {"promote": argv[-1], "rollback": (before["replaced"] or [None])[-1]}.get(argv[0], old)
    if after["production"] not in ({old, target} if outcome.killed else {target}):
        return f"{argv} left {after['production']} in production, which was {old}"
    return ""


def race(place: Place, seconds: float, processes: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Let processes train, promote and roll back at once; return counts and what was wrong."""
    for _ in range(BEFORE_THE_RACE):
        place.must("train")
    until = time.monotonic() + seconds

    def work(number: int) -> int:
        os.chdir(place.folder)
        answers = _racing(random.Random(seed * 1000 + number), place, until)  # noqa: S311 - a test
        Path(f"racer-{number}").write_text("".join(json.dumps(one) + "\n" for one in answers))
        return 0

    children = [_forked(partial(work, number)) for number in range(processes)]
    failures = [f"a process died of {code}" for child in children if (code := os.waitpid(child, 0)[1])]
    answers = [
        json.loads(line)
        for number in range(processes)
        for line in (place.folder / f"racer-{number}").read_text().splitlines()
    ]
    counts = Counter(one["act"] for one in answers)
    failures += [one["problem"] for one in answers if one["act"] == "failed"]
    done = [(one["act"], one["version"], one["replaced"]) for one in answers if "version" in one]
    registry = Registry(place.artifacts)
    records = registry.trail().records
    counts["records"] = len(records)
    recorded = [(one.action, one.version, one.replaced) for one in records[BEFORE_THE_RACE:]]
    if Counter(recorded) != Counter(done):
        failures.append(f"recorded and not reported, or the other way: {Counter(recorded) ^ Counter(done)}")
    if replayed(records) != registry.read() or registry.index_problem():
        failures.append(f"registry.json does not follow from the trail: {registry.index_problem()}")
    failures += _unlike_a_stack(records, registry)
    verified = place.finish(place.start(["verify", "--all"]))
    if verified.code:
        failures.append(f"verify exits with {verified.code}: {verified.out}{verified.err}")
    return counts, failures


def _racing(chance: random.Random, place: Place, until: float) -> Iterator[dict[str, Any]]:
    """Run commands until the time is up, and say of each what it reported."""
    registry = Registry(place.artifacts)
    # What a command may answer when another one was quicker.
    polite = ("no earlier production version", "is in production already", "was not in production before")
    while time.monotonic() < until:
        index = registry.read()
        version = chance.choice([one for one in index.versions if one != index.production])
        argv = chance.choice(
            [
                ["train"],
                ["promote", version],
                [*FORCED, version],
                [*FORCED, version],
                ["rollback"],
                ["rollback", "--to", chance.choice([*index.replaced, version])],
            ]
        )
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _main(argv)
        said = json.loads(out.getvalue()) if code in {0, 3} else {}
        if code == 0 and argv[0] == "train":
            yield {"act": "add", "version": said["version"], "replaced": None}
        elif code == 0 and argv[0] == "rollback":
            yield {"act": "rollback", "version": said["production"], "replaced": said["left"]}
        elif code == 0 and said["verdict"] is not None:
            yield {"act": "promote", "version": version, "replaced": said["replaced"]}
        elif code == 0:
            yield {"act": "in production already"}
        elif code == 3 and "--force" not in argv:
            yield {"act": "refused by the gate"}
        elif code == 1 and (
            any(text in err.getvalue() for text in polite) or "promote again" in err.getvalue()
        ):
            yield {"act": "too late"}
        else:
            yield {"act": "failed", "problem": f"{argv} exits with {code}: {err.getvalue()}"}


def _unlike_a_stack(records: Sequence[Record], registry: Registry) -> list[str]:
    """Walk through the moves of production by hand."""
    stack: list[str] = []
    for record in records:
        if record.action not in {"promote", "rollback"}:
            continue
        if record.replaced != (stack[-1] if stack else None):
            return [f"record {record.sequence} replaces {record.replaced}, and in production were {stack}"]
        earlier = [at for at, version in enumerate(stack) if version == record.version]
        if record.action == "promote":
            stack.append(record.version)
        elif earlier:
            del stack[earlier[-1] + 1 :]
        else:
            return [f"record {record.sequence} goes back to {record.version}, and in production were {stack}"]
    index = registry.read()
    ours = [*index.replaced, *[one for one in [index.production] if one is not None]]
    return [] if ours == stack else [f"registry.json says {ours}, and the records {stack}"]


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
    for name in WARM:
        importlib.import_module(name)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlsys-torture-") as folder:
        place = Place(Path(folder).resolve())
        if args.kind == "kill":
            torment = Killing(place, random.Random(args.seed))  # noqa: S311 - a test
            torment.run(args.rounds)
            counts, failures = torment.counts, torment.failures
        else:
            counts, failures = race(place, args.seconds, args.processes, args.seed)
    said = ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
    size = (
        f"{args.rounds} rounds" if args.kind == "kill" else f"{args.processes} processes, {args.seconds:g} s"
    )
    for failure in failures:
        sys.stderr.write(f"{failure}\n")
    sys.stdout.write(
        f"{args.kind}: {size}: {said}; {len(failures)} failures (seed {args.seed}, "
        f"{time.monotonic() - began:.0f} s)\n"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
