"""Runs the real command line in children of a process that has done all imports.

Nothing is computed in the parent: the threads of OpenMP do not survive a fork.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from ml_sys import cli

# What commands import when they run; done once, so that a child is at work at once.
WARM = (
    "ml_sys.commands.train", "ml_sys.commands.promote", "ml_sys.commands.integrity", "ml_sys.console",
    "ml_sys.features.window_kernel", "ml_sys.jobs.models.train", "ml_sys.jobs.models.promote",
    "ml_sys.registry.verification", "ml_sys.views.train", "ml_sys.views.promote",
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
[report]
backtest = false
resampling = false
seeds = 0
[bootstrap]
resamples = 20
[gate]
resamples = 100
min_positives = 1
"""
SAMPLE = ("--companies", "500", "--weeks", "45", "--seed", "5")
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
        return self.code in {-signal.SIGKILL, -signal.SIGALRM}

    @property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(self.out))


class Place:
    """A scratch folder with a sample that is ingested, in which commands are run in forked children."""

    def __init__(self, folder: Path) -> None:
        for name in WARM:
            importlib.import_module(name)
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

    def start(
        self,
        argv: Sequence[str],
        die_at: int | None = None,
        watched: Callable[[], Callable[[], object]] | None = None,
    ) -> int:
        """Start a command in a child; with ``die_at`` it kills itself at that step under the lock.

        What ``watched`` returns is called at the end, and kept as text in the file ``steps``.
        """
        (self.folder / "inside").unlink(missing_ok=True)

        def work() -> int:
            os.chdir(self.folder)
            for descriptor, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            steps = watched() if watched else _watch_the_lock(Path("inside"), die_at)
            code = run(argv)
            Path("steps").write_text(str(steps()))
            return code

        return forked(work)

    def finish(self, child: int) -> Outcome:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out, err = ((self.folder / name).read_text() for name in ("out", "err"))
        return Outcome(code, out, err, (self.folder / "inside").exists())

    def index(self) -> dict[str, Any]:
        path = self.artifacts / "registry.json"
        none: dict[str, Any] = {"versions": {}, "production": None, "replaced": []}
        return dict(json.loads(path.read_text())) if path.exists() else none


def forked(work: Callable[[], int]) -> int:
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


def run(argv: Sequence[str]) -> int:
    """Run a command in this process and return its exit code."""
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
    held, steps = 0, 0  # locks may be held inside of each other
    acquire, release = filelock.FileLock.acquire, filelock.FileLock.release

    def watched_acquire(lock: Any, *args: Any, **more: Any) -> Any:
        nonlocal held
        proxy = acquire(lock, *args, **more)
        inside.touch()
        held += 1
        return proxy

    def watched_release(lock: Any, *args: Any, **more: Any) -> None:
        nonlocal held
        held -= 1
        if not held:
            inside.unlink(missing_ok=True)
        release(lock, *args, **more)

    def is_last() -> bool:
        nonlocal steps
        steps += bool(held)
        return bool(held) and steps == die_at

    filelock.FileLock.acquire = watched_acquire  # type: ignore[method-assign]
    filelock.FileLock.release = watched_release  # type: ignore[method-assign]
    die_before_steps(is_last)
    return lambda: steps


def die_before_steps(is_last: Callable[[], bool]) -> None:
    """Ask before each thing that this process does to the disk whether it is killed there, in mid-write."""

    def asking(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **more: Any) -> Any:
            if is_last():
                if name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        return call

    for name in STEPS:
        setattr(os, name, asking(name))
