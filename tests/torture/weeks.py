"""Kills `mlsys weekly` in each of its steps: the next run completes; nothing is recorded twice or lost."""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from ml_sys import console
from ml_sys.durable import TEMPORARY_PREFIX
from ml_sys.errors import ExitCode
from tests.torture.place import FORCED, Outcome, Place, die_before_steps

CALLS, WEEKS = 10, 8
LAST = date(2019, 11, 17)  # the last Sunday of the sample
TABLES = [f"--{role}=tables/{name}.csv" for role, name in (
    ("customers", "customers"), ("noncustomers", "noncustomers"), ("usage", "usage_actions"),
)]  # fmt: skip
WARM = (
    "alembic.config",
    "numba",
    "ml_sys.commands.weekly",
    "ml_sys.jobs.outcomes.weekly",
    "ml_sys.registry.store",
    "ml_sys.report.impact_page",
    "ml_sys.views.lists",
    "ml_sys.views.weekly",
)
# An alarm is no failure: the version was trained on later data than the weeks that are played.
DONE = (ExitCode.DONE, ExitCode.ALARM)
# The steps of a week, by what the command says as each begins.
FIRST = "ingest"
STEPS = {
    "loading the version": "monitor",
    "loading the model": "score",
    "recording the list": "hand out",
    "writing the list": "list",
    "reading outcomes": "impact",
    "writing the page": "page",
    "writing the summary": "summary",
}
FILES = {"--out": "list.csv", "--with-controls": "all.csv", "--page": "page.html", "--summary": "week.md"}
ENDS = {"page.html": "</html>", "week.md": "."}


@dataclass(frozen=True)
class Point:
    """Where a week is killed: after so many seconds of a step, or at so many-th thing it does to the disk.

    A step that is sooner done than when it was measured is killed at its end.
    """

    step: str
    seconds: float = 0.0
    at: int = 0


@dataclass
class KillingWeeks:
    """Plays weeks forward, kills each somewhere, and checks what the next run makes of it.

    Attributes
    ----------
    new_store : callable
        Returns the address of a new store; empty is the artifacts folder.
    took : dict
        For each step the seconds that it took and what it did to the disk when it was let through.
    """

    place: Place
    chance: random.Random
    new_store: Callable[[], str] = str
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    store: str = ""
    took: dict[str, tuple[float, int]] = field(default_factory=dict)
    due: list[str] = field(default_factory=list)

    def run(self, rounds: int) -> None:
        for name in WARM:
            importlib.import_module(name)
        self.place.must("train")
        self.place.must(*FORCED, "1.0.0")
        base = self.place.folder / "trained"
        shutil.copytree(self.place.artifacts, base)
        before: list[dict[str, Any]] = []
        for number in range(rounds):
            if number % WEEKS == 0:
                shutil.rmtree(self.place.artifacts)
                shutil.copytree(base, self.place.artifacts)
                self.store = self.new_store()
                if not number:
                    self._measure()
                before = self._lists()
            sunday = LAST - timedelta(weeks=WEEKS - 1 - number % WEEKS)
            point = self._point()
            problem = self._round(self._argv(sunday), point, before)
            if problem:
                self.failures.append(f"round {number}, {sunday}, {point}: {problem}")
            before = self._lists()

    def _measure(self) -> None:
        """Find out how long each step of a warm week takes, and what it does to the disk."""
        for week in (WEEKS + 1, WEEKS):
            done = self.place.finish(self._start(self._argv(LAST - timedelta(weeks=week))))
            assert done.code in DONE, done.err
        self.took = json.loads((self.place.folder / "steps").read_text().replace("'", '"'))
        assert set(self.took) == {FIRST, *STEPS.values()}, self.took

    def _point(self) -> Point:
        """Choose where to kill: each step as often, by the clock or at what it does to the disk."""
        self.due = self.due or self.chance.sample(sorted(self.took), len(self.took))
        step = self.due.pop()
        seconds, acts = self.took[step]
        if acts and self.chance.random() < 0.5:
            return Point(step, at=self.chance.randint(1, acts))
        return Point(step, seconds=max(seconds * self.chance.random(), 1e-6))

    def _argv(self, sunday: date) -> list[str]:
        chosen = ["--set", "experiment.design=lottery", "--capacity", str(CALLS)]
        chosen += [part for one in FILES.items() for part in one]
        if self.store:
            chosen += ["--set", f"store.url={self.store}"]
        return ["weekly", *TABLES, "--as-of", sunday.isoformat(), *chosen]

    def _start(self, argv: list[str], point: Point | None = None) -> int:
        return self.place.start(argv, watched=lambda: _watch_the_week(point))

    def _round(self, argv: list[str], point: Point, before: list[dict[str, Any]]) -> str:
        known = self._snapshots()
        outcome = self.place.finish(self._start(argv, point))
        at = (self.place.folder / "step").read_text()
        self.counts[f"killed in {at}" if outcome.killed else "finished before"] += 1
        if not outcome.killed and outcome.code not in DONE:
            return f"it exits with {outcome.code}: {outcome.err}"
        completed = self.place.finish(self.place.start(argv))
        if completed.code not in DONE:
            return f"the next run exits with {completed.code}: {completed.err}"
        if problem := self._incomplete(completed):
            return problem
        again = self.place.finish(self.place.start(argv))
        told, repeated = completed.said["list"], again.said["list"]
        after = self._lists()
        made = [one["list_id"] for one in after if one["list_id"] not in {each["list_id"] for each in before}]
        if made != [told["record"]["list_id"]] or repeated["record"] != told["record"]:
            return f"lists {made} were made, and {told['record']['list_id']} was reported"
        if repeated["recorded"] != "same":
            return f"the same week again is {repeated['recorded']}"
        if lost := [one for one in before if _lasting(one) not in [_lasting(each) for each in after]]:
            return f"lists were lost or changed: {lost}"
        if after[-1]["selected"] != CALLS or len(told["first"]) != CALLS:
            return f"the list holds {after[-1]['selected']} calls"
        if len(self._snapshots() - known) > 1:
            return f"more than one snapshot was made: {self._snapshots() - known}"
        verified = self.place.finish(self.place.start(["verify", "--all"]))
        return f"verify exits with {verified.code}: {verified.out}{verified.err}" if verified.code else ""

    def _incomplete(self, completed: Outcome) -> str:
        """Say which files of a completed week are not whole, or what is left of the killed one."""
        folder = self.place.folder
        texts = {name: (folder / name).read_text().rstrip("\n") for name in FILES.values()}
        if broken := [name for name, end in ENDS.items() if not texts[name].endswith(end)]:
            return f"{broken} are not whole"
        rows = {name: len(texts[name].splitlines()) - 1 for name in ("list.csv", "all.csv")}
        if rows != {"list.csv": CALLS, "all.csv": completed.said["list"]["record"]["prospects"]}:
            return f"the files hold {rows} companies"
        left = [str(path.relative_to(folder)) for path in folder.rglob(f"{TEMPORARY_PREFIX}*")]
        return f"left behind: {left}" if left else ""

    def _lists(self) -> list[dict[str, Any]]:
        chosen = ["--set", f"store.url={self.store}"] if self.store else []
        return list(self.place.must("lists", "--all", *chosen).said["lists"])

    def _snapshots(self) -> set[str]:
        folder = self.place.artifacts / "snapshots"
        return {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}


def _watch_the_week(point: Point | None) -> Callable[[], dict[str, list[float]]]:
    """Let the file ``step`` name the step that this process is in, and kill it at a point.

    What is returned says of each step how many seconds it took, and how often it asked the disk or the
    database for something.
    """
    took: dict[str, list[float]] = {}
    step, began = "", 0.0

    def leave(now: float) -> None:
        took[step][0] = now - began
        if point is not None and point.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def enter(name: str) -> None:
        nonlocal step, began
        now = time.monotonic()
        if step:
            leave(now)
        step, began = name, now
        took[name] = [0.0, 0]
        Path("step").write_text(name)
        if point is not None and point.step == name and point.seconds:
            signal.setitimer(signal.ITIMER_REAL, point.seconds)  # nothing here handles it, so it kills

    @contextmanager
    def steps(_plan: object = None) -> Iterator[Callable[..., None]]:
        yield lambda what, _done=0.0: enter(STEPS[what]) if what in STEPS else None

    def is_last() -> bool:
        took[step][1] += 1
        return point is not None and point.step == step and took[step][1] == point.at

    def on_statement(*_: object) -> None:
        if is_last():
            os.kill(os.getpid(), signal.SIGKILL)

    enter(FIRST)
    console.steps = steps  # type: ignore[assignment]
    die_before_steps(is_last)
    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, on_statement)

    def ended() -> dict[str, list[float]]:
        leave(time.monotonic())
        return took

    return ended


def _lasting(one: dict[str, Any]) -> dict[str, Any]:
    """Return what of a list later data do not change."""
    return {name: value for name, value in one.items() if name not in {"converted", "mature"}}
