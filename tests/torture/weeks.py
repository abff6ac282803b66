"""Kills `mlsys weekly` at random instants: the next run completes, and nothing is recorded twice or lost."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from ml_sys.errors import ExitCode
from tests.torture.place import FORCED, Place

CALLS, WEEKS = 10, 8
LAST = date(2019, 11, 17)  # the last Sunday of the sample
TABLES = [f"--{role}=tables/{name}.csv" for role, name in (
    ("customers", "customers"), ("noncustomers", "noncustomers"), ("usage", "usage_actions"),
)]  # fmt: skip
WARM = (
    "ml_sys.commands.weekly",
    "ml_sys.jobs.outcomes.weekly",
    "ml_sys.views.weekly",
    "ml_sys.report.impact_page",
)
# An alarm is no failure: the version was trained on later data than the weeks that are played.
DONE = (ExitCode.DONE, ExitCode.ALARM)


@dataclass
class KillingWeeks:
    """Plays weeks forward, kills each at random, and checks what the next run makes of it.

    Attributes
    ----------
    new_store : callable
        Returns the address of a new store; empty is the artifacts folder.
    """

    place: Place
    chance: random.Random
    new_store: Callable[[], str] = str
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    store: str = ""
    seconds: float = 0.0
    steps: int = 0

    def run(self, rounds: int) -> None:
        for name in WARM:
            importlib.import_module(name)
        self.place.must("train")
        self.place.must(*FORCED, "1.0.0")
        base = self.place.folder / "trained"
        shutil.copytree(self.place.artifacts, base)
        for number in range(rounds):
            if number % WEEKS == 0:
                shutil.rmtree(self.place.artifacts)
                shutil.copytree(base, self.place.artifacts)
                self.store = self.new_store()
                if not number:
                    self._measure()
            sunday = LAST - timedelta(weeks=WEEKS - 1 - number % WEEKS)
            if problem := self._round(self._argv(sunday)):
                self.failures.append(f"round {number}, {sunday}: {problem}")

    def _measure(self) -> None:
        """Find out how long a warm week takes, and how many steps under a lock."""
        for before in (1, 0):
            began = time.monotonic()
            done = self.place.finish(self.place.start(self._argv(LAST - timedelta(weeks=WEEKS + before))))
            assert done.code in DONE, done.err
            self.seconds = time.monotonic() - began
        self.steps = int((self.place.folder / "steps").read_text())

    def _argv(self, sunday: date) -> list[str]:
        chosen = ["--set", "experiment.design=lottery", "--capacity", str(CALLS), "--summary", "week.md"]
        if self.store:
            chosen += ["--set", f"store.url={self.store}"]
        return ["weekly", *TABLES, "--as-of", sunday.isoformat(), *chosen]

    def _round(self, argv: list[str]) -> str:
        before, known = self._lists(), self._snapshots()
        by_step = self.chance.random() < 0.3
        child = self.place.start(argv, self.chance.randint(1, self.steps) if by_step else None)
        if not by_step:
            time.sleep(
                1.1 * self.seconds * self.chance.random() ** 0.3
            )  # mostly late, when lists are written
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        outcome = self.place.finish(child)
        self.counts["killed" if outcome.killed else "finished before"] += 1
        self.counts["after the list was recorded"] += outcome.killed and len(self._lists()) > len(before)
        if not outcome.killed and outcome.code not in DONE:
            return f"it exits with {outcome.code}: {outcome.err}"
        completed = self.place.finish(self.place.start(argv))
        if completed.code not in DONE:
            return f"the next run exits with {completed.code}: {completed.err}"
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
        if not (self.place.folder / "week.md").read_text().endswith(".\n"):
            return "the summary is not whole"
        verified = self.place.finish(self.place.start(["verify", "--all"]))
        return f"verify exits with {verified.code}: {verified.out}{verified.err}" if verified.code else ""

    def _lists(self) -> list[dict[str, Any]]:
        chosen = ["--set", f"store.url={self.store}"] if self.store else []
        return list(self.place.must("lists", "--all", *chosen).said["lists"])

    def _snapshots(self) -> set[str]:
        folder = self.place.artifacts / "snapshots"
        return {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}


def _lasting(one: dict[str, Any]) -> dict[str, Any]:
    """Return what of a list later data do not change."""
    return {name: value for name, value in one.items() if name not in {"converted", "mature"}}
