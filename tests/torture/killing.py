"""Kills commands at random instants, half of them while they hold the registry's lock."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.torture.place import FORCED, Outcome, Place

# Verifying is about every version, so a new registry now and then keeps the rounds short.
ROUNDS_PER_REGISTRY = 20


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
        acts = [["train"], ["train"]]
        acts += [["rollback"]] * 2 if index["replaced"] else []
        acts += [self._promotion(index)] * 2 if _others(index) else []
        return self.chance.choice(acts)

    def _promotion(self, index: dict[str, Any]) -> list[str]:
        return [*FORCED, self.chance.choice(_others(index))]

    def _goes_on(self, index: dict[str, Any]) -> str:
        """Run the next command unharmed."""
        argv = self._promotion(index) if _others(index) else ["train"]
        following = self.place.finish(self.place.start(argv))
        after = self.place.index()
        if following.code == 0 and (argv == ["train"] or after["production"] == argv[-1]):
            return ""
        return f"next, {argv} exits with {following.code}: {following.err}"


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
