"""Lets processes train, promote and roll back at once, and holds what they reported against the trail."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ml_sys.registry.audit import Record
from ml_sys.registry.index import replayed
from ml_sys.registry.store import Registry
from tests.torture.place import FORCED, Place, forked, run

BEFORE_THE_RACE = 3
# What a command may answer when another one was quicker.
TOO_LATE = (
    "no earlier production version", "is in production already", "was not in production before",
    "promote again",
)  # fmt: skip


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

    children = [forked(partial(work, number)) for number in range(processes)]
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
    registry, begun = Registry(place.artifacts), False
    while time.monotonic() < until or not begun:
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
        argv, begun = argv if begun else ["train"], True  # there is one however slow the machine is
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(argv)
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
        elif code == 1 and any(text in err.getvalue() for text in TOO_LATE):
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
