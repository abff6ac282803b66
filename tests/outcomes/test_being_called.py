"""What being called did, over the mature lists of the latest design that draws: every field of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.outcomes.being_called import _REDRAWS, FEW, After, Called, Reading, being_called
from ml_sys.outcomes.effect import (
    DrawnCalls,
    chance_of_as_much,
    effect_of_calls_made,
    extra_per_list,
    more_lists,
    running,
)
from ml_sys.outcomes.lists import HandedOutList

READING = Reading(as_of=500, grace_days=7, confidence=0.9, seed=3)


def listed(name: str, cutoff: int, design: str) -> HandedOutList:
    return HandedOutList(name, cutoff, "1.0.0", "", "", 30, 4, design, 7, 20, 2.1, 20)


LISTS = [
    listed("old", 50, "holdout"),
    listed("one", 100, "lottery"),
    listed("two", 107, "lottery"),
    listed("plain", 114, "none"),
]
ROWS = pd.DataFrame(
    [
        # list, cutoff, company, promised, chance, called, paid, money, really called
        ("two", 107, "a", 0.3, 0.8, True, True, 5.0, True),
        ("two", 107, "e", 0.2, 0.5, False, True, 2.0, False),
        ("two", 107, "f", 0.1, 0.4, False, False, 0.0, True),
        ("one", 100, "a", 0.4, 0.8, True, False, 0.0, True),
        ("one", 100, "b", 0.2, 0.6, True, True, 10.0, False),
        ("one", 100, "c", 0.1, 0.4, False, True, 7.0, False),
        ("one", 100, "d", 0.1, 0.2, True, False, 0.0, True),
        ("one", 100, "g", 0.9, 1.0, True, True, 50.0, True),  # certain: chance did not decide
        ("one", 100, "h", 0.1, 0.0, False, True, 50.0, False),  # beyond the pool
        ("old", 50, "a", 0.4, 0.9, True, True, 50.0, True),
        ("old", 50, "b", 0.4, 0.9, False, False, 0.0, False),
        ("plain", 114, "a", 0.4, 0.5, True, True, 50.0, True),
    ],
    columns=[
        "list_id", "cutoff", "entity_id", "probability", "inclusion_probability", "selected", "converted",
        "money", "made",
    ],
)  # fmt: skip
# The rows that count, the earliest list first.
TRIAL = DrawnCalls(
    np.array([0, 0, 0, 0, 1, 1, 1]),
    np.array([0, 1, 2, 3, 0, 4, 5]),
    np.array([0.4, 0.2, 0.1, 0.1, 0.3, 0.2, 0.1]),
    np.array([0.8, 0.6, 0.4, 0.2, 0.8, 0.5, 0.4]),
    np.array([1, 1, 0, 1, 1, 0, 0], bool),
    np.array([0.0, 1, 1, 0, 1, 1, 0]),
    2,
)
MADE = np.array([1, 0, 0, 1, 1, 0, 1], bool)


def test_every_field_is_of_those_whom_chance_decided_on_under_the_latest_design():
    extra = extra_per_list(TRIAL, 0.9)
    money = extra_per_list(replace(TRIAL, outcome=np.array([0.0, 10, 7, 0, 5, 2, 0])), 0.9)
    first, second = running(TRIAL, 0.9)
    assert being_called(LISTS, ROWS, READING, made=True) == Called(
        design="lottery",
        lists=2,
        calls=2.0,
        drawn=4,
        waited=3,
        drawn_paid=2,
        waited_paid=2,
        anyway=pytest.approx(0.4 / 0.6 + 0.5 / 0.5),
        extra=extra,
        money=money,
        chance=chance_of_as_much(TRIAL, by_company=False, redraws=499, seed=3),
        more_lists=more_lists(extra, 2, 0.9),
        complied=effect_of_calls_made(TRIAL, MADE, 0.9),
        running=(After(100, first), After(107, second)),
    )
    assert being_called(LISTS, ROWS.drop(columns="made"), READING, made=False).complied is None


def test_a_holdout_is_drawn_again_by_company():
    found = being_called(LISTS[:1], ROWS, READING, made=False)
    trial = DrawnCalls(
        np.zeros(2, dtype=int), np.arange(2), np.full(2, 0.4), np.full(2, 0.9), np.array([True, False]),
        np.array([1.0, 0.0]), 1,
    )  # fmt: skip
    assert (found.design, found.lists, found.drawn, found.waited) == ("holdout", 1, 1, 1)
    assert found.chance == chance_of_as_much(trial, by_company=True, redraws=499, seed=3)
    assert found.running == (After(50, extra_per_list(trial, 0.9)),)


def test_without_a_draw_nothing_is_told():
    assert being_called(LISTS[3:], ROWS, READING, made=False) is None
    assert being_called([], ROWS, READING, made=False) is None


@pytest.mark.parametrize(
    ("drawn", "waited", "few"), [(FEW, FEW, False), (FEW - 1, 99, True), (99, FEW - 1, True), (0, 0, True)]
)
def test_an_interval_is_relied_on_from_five_conversions_on_either_side(drawn, waited, few):
    nothing = Estimate(0.0, 0.0, 0.0)
    one = Called("lottery", 1, 1.0, 9, 9, drawn, waited, 0.0, nothing, nothing, 1.0, None, None, ())
    assert one.too_few == few
    assert FEW == 5


def test_rows_of_one_list_keep_their_order_however_many_there_are():
    """The draw that is repeated takes them in that order."""
    rng = np.random.default_rng(4)
    rows = pd.DataFrame(
        {
            "list_id": rng.choice(["one", "two"], 90), "entity_id": [f"c{at}" for at in range(90)],
            "probability": rng.integers(1, 4, 90) / 10, "inclusion_probability": rng.integers(1, 4, 90) / 4,
            "selected": rng.random(90) < 0.5, "converted": rng.random(90) < 0.3, "made": rng.random(90) < 0.5,
        }
    )  # fmt: skip
    rows["cutoff"] = rows["list_id"].map({"one": 100, "two": 107})
    rows["money"] = rows["converted"] * 10.0
    found = being_called(LISTS, rows, READING, made=False)
    assert found is not None
    ordered = pd.concat([rows[rows["list_id"] == name] for name in ("one", "two")])
    assert being_called(LISTS, ordered, READING, made=False) == found
    drawn = (ordered[name].to_numpy() for name in ("probability", "inclusion_probability", "selected"))
    trial = DrawnCalls(
        np.repeat([0, 1], [(rows["list_id"] == name).sum() for name in ("one", "two")]),
        np.arange(90), *drawn,
        ordered["converted"].to_numpy(float), 2,
    )  # fmt: skip
    chance = chance_of_as_much(trial, by_company=False, redraws=_REDRAWS, seed=READING.seed)
    assert found.chance == chance
