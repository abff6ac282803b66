"""A small world of another form: students of an online course, by day, with minutes and sign-ups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot
from ml_sys.settings import Settings
from tests.features.forms import COURSE, PLANS
from tests.model import world as w

FIRST, DAYS, STUDENTS, HORIZON = 18_993, 200, 300, 14  # from 2022-01-01 on
CUTOFF = FIRST + 150
N_MEASURES = len(COURSE.measures)


def settings(**changes: Any) -> Settings:
    """Quick settings of a form by day."""
    return w.settings(
        features={"windows_days": []},
        usage={"period": "day"},
        label={"horizon_days": HORIZON},
        panel={"step_days": 14, "max_cutoffs": 6, **changes.pop("panel", {})},
        **changes,
    )


def course_world(seed: int = 5) -> Snapshot:
    """Students who watch more buy more often; half of those who buy do so within days, some on the first."""
    rng = np.random.default_rng(seed)
    since = FIRST + np.sort(rng.integers(0, DAYS - 20, STUDENTS))[rng.permutation(STUDENTS)]
    interest = rng.gamma(1.0, 1.0, STUDENTS)
    buys = rng.random(STUDENTS) < 0.6 * interest / (1 + interest)
    wait = np.floor(rng.exponential(20, STUDENTS)).astype(np.int64)
    closed = np.where(buys & (since + wait < FIRST + DAYS), since + wait, NEVER_CLOSED).astype(np.int32)
    day = FIRST + np.arange(DAYS)
    there = (day >= since[:, None]) & (rng.random((STUDENTS, DAYS)) < 0.3 * interest[:, None])
    student, at = np.nonzero(there)
    counts = rng.poisson(1.5, (student.size, N_MEASURES))
    minutes = COURSE.measure_names.index("minutes_watched")
    counts[:, minutes] = rng.integers(0, 90_000, student.size)
    counts[:, -1] = rng.integers(1, 3, student.size)

    def texts(*choices: str | None) -> np.ndarray:
        return rng.choice(np.array(choices, dtype=object), STUDENTS)

    frame = pd.DataFrame(
        {
            "id": [f"s{i:04d}" for i in range(STUDENTS)],
            "age": rng.choice([np.nan, 17.0, 30.0, 45.5], STUDENTS),
            "plan": texts(*PLANS, None),
            "country": texts("UK", "united kingdom", "France", None),
            "school": texts("West", "East", None),
            "newsletter": rng.choice([np.nan, 0.0, 1.0], STUDENTS),
            "class_size": texts("1 to 9", "11 to 25", None),
            "mrr": np.where(closed == NEVER_CLOSED, np.nan, 29.0),
        }
    )
    return Snapshot(
        id="1" * 16,
        path=Path(),
        companies=frame,
        closed=closed,
        usage_company=student.astype(np.int32),
        usage_stamp=day[at].astype(np.int32),
        usage_values=counts.astype(np.int64),
        as_of=FIRST + DAYS,
        form=COURSE,
        since=since.astype(np.int32),
    )


def with_later_usage(world: Snapshot, after: int, rng: np.random.Generator) -> Snapshot:
    """Append rows that are complete only after a day, and put all rows in another order."""
    n = 400
    company = np.concatenate([world.usage_company, rng.integers(0, len(world.companies), n)])
    stamp = np.concatenate([world.usage_stamp, after + rng.integers(0, 60, n)])
    values = np.concatenate([world.usage_values, rng.integers(0, 90_000, (n, N_MEASURES))])
    order = rng.permutation(company.size)
    return replace(
        world,
        usage_company=company[order].astype(np.int32),
        usage_stamp=stamp[order].astype(np.int32),
        usage_values=values[order],
    )


def with_newcomers(world: Snapshot, after: int, rng: np.random.Generator, n: int = 50) -> Snapshot:
    """Add students who sign up on a day or later, with attributes of the others."""
    like = rng.integers(0, len(world.companies), n)
    more = world.companies.iloc[like].assign(id=[f"z{i:04d}" for i in range(n)])
    began = (after + rng.integers(0, 30, n)).astype(np.int32)
    paid = np.where(rng.random(n) < 0.5, began + rng.integers(0, 30, n), NEVER_CLOSED).astype(np.int32)
    return replace(
        world,
        companies=pd.concat([world.companies, more], ignore_index=True),
        closed=np.concatenate([world.closed, paid]),
        since=np.concatenate([world.since, began]),
    )


def renumbered(world: Snapshot, order: np.ndarray) -> Snapshot:
    """Give student ``order[i]`` the id and the place of student i."""
    place = np.argsort(order)
    companies = world.companies.iloc[order].reset_index(drop=True).assign(id=world.companies["id"])
    return replace(
        world,
        companies=companies,
        closed=world.closed[order],
        since=world.since[order],
        usage_company=place[world.usage_company].astype(np.int32),
    )
