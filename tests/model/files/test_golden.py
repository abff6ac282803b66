"""Golden rows: what they hold, and how far an answer may be from the one that was stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ml_sys.errors import SchemaDriftError, UnverifiedError
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.rows import Rows
from ml_sys.model.files.golden import (
    _UNSEEN,
    FEATURE_TOLERANCE,
    HOLDOUT_ROWS,
    PROBABILITY_TOLERANCE,
    _alike,
    _value,
    golden_rows,
    replay,
)
from ml_sys.settings.description import default_form

SPEC = FeatureSpec(windows_days=(7,), off=("users", "intensity", "trend", "breadth", "totals"))


def says(columns: dict[str, NDArray[Any]], shift: float = 0.0) -> NDArray[np.float64]:
    return np.full(len(columns["log_rank"]), 0.25 + shift)


def golden(n: int = 40) -> dict[str, Any]:
    columns = {
        name: np.array(["software"] * n, dtype=object)
        if name in SPEC.categories()
        else np.arange(n, dtype=np.float32)
        for name in SPEC.names()
    }
    return golden_rows(SPEC, says, Rows.of(pd.DataFrame(columns)), np.arange(n)[::-1] / n)


def test_rows_of_the_holdout_are_spread_from_the_lowest_probability_to_the_highest() -> None:
    rows = golden()["rows"]
    at = rows["columns"].index("log_rank")
    spread = [row[at] for row in rows["rows"][:HOLDOUT_ROWS]]
    assert (spread[0], spread[-1]) == (39, 0)
    assert len(set(spread)) == HOLDOUT_ROWS
    assert np.ptp(np.diff(spread)) <= 1
    assert len(golden(5)["rows"]["rows"]) == 5 + len(rows["rows"]) - HOLDOUT_ROWS


def test_the_companies_stand_on_the_edges_of_the_windows() -> None:
    made = golden()
    names = [one["name"] for one in made["companies"]]
    told = {
        name: dict(zip(made["features"]["columns"], row, strict=True))
        for name, row in zip(names, made["features"]["rows"], strict=True)
    }
    busy = "actions_crm_contacts_sum_7d"
    steady = 3  # of the first measure
    assert told["complete on the cutoff"][busy] == 1
    assert told["not complete by the cutoff"][busy] == 0
    assert told["on the edges of the windows"][busy] == 5 * steady  # 7 days before is outside
    assert told["growing"]["weeks_present_7d"] == 1
    assert told["idle for a year"]["days_since_last_row"] == 364
    assert told["none of what can be none, and of a kind never seen"]["unranked"] == 1
    assert told["attributes alone"]["log_rank"] == pytest.approx(np.log10(250_000))


@pytest.mark.parametrize(("shift", "alike"), [(0.9, True), (1.1, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_probability_may_be_off_by_a_rounding_and_no_more(shift: float, alike: bool, sign: int) -> None:
    stored, off = golden(), sign * shift * PROBABILITY_TOLERANCE
    for name in ("probabilities", "row_probabilities"):
        changed = {**stored, name: [*stored[name][:-1], stored[name][-1] + off]}
        if alike:
            replay(changed, SPEC, says, "here")
        else:
            with pytest.raises(UnverifiedError, match=r"0\.250000"):
                replay(changed, SPEC, says, "here")


@pytest.mark.parametrize(("size", "alike"), [(0.9, True), (1.1, False)])
def test_a_feature_may_be_off_by_a_rounding_in_proportion_to_its_size(size: float, alike: bool) -> None:
    stored = golden()
    at = stored["features"]["columns"].index("days_since_last_row")
    row = next(i for i, one in enumerate(stored["companies"]) if one["name"] == "idle for a year")
    rows = [list(one) for one in stored["features"]["rows"]]
    rows[row][at] += size * FEATURE_TOLERANCE * (1 + 364)
    changed = {**stored, "features": {**stored["features"], "rows": rows}}
    if alike:
        replay(changed, SPEC, says, "here")
    else:
        with pytest.raises(SchemaDriftError, match="days_since_last_row means something different"):
            replay(changed, SPEC, says, "here")


def test_a_value_that_was_known_and_is_blank_now_is_another_one() -> None:
    stored = golden()
    at = stored["features"]["columns"].index("log_rank")
    for row, name in enumerate(one["name"] for one in stored["companies"]):
        rows = [list(one) for one in stored["features"]["rows"]]
        rows[row][at] = 3.5 if rows[row][at] is None else None
        with pytest.raises(SchemaDriftError, match=f"golden company '{name}'"):
            replay({**stored, "features": {**stored["features"], "rows": rows}}, SPEC, says, "here")


def test_features_and_probabilities_may_differ_by_a_last_digit_alone() -> None:
    assert (PROBABILITY_TOLERANCE, FEATURE_TOLERANCE) == (1e-6, 1e-5)


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        (0.0, 9e-6, True),  # in proportion to one more than its size
        (0.0, 2e-5, False),
        (float("inf"), float("inf"), True),
        (float("nan"), float("nan"), True),
        (float("nan"), 0.0, False),
        (float("inf"), 1.0, False),
        ("a", "b", False),
        (None, None, True),
    ],
)
def test_values_are_alike_up_to_a_last_digit_and_blanks_to_blanks(old: Any, new: Any, alike: bool) -> None:
    assert _alike(old, new) == alike


def test_a_probability_that_is_none_is_refused() -> None:
    with pytest.raises(UnverifiedError, match="probability nan"):
        replay(golden(), SPEC, lambda columns: says(columns, float("nan")), "here")


def test_companies_have_every_level_of_an_attribute_and_some_have_no_day_of_beginning() -> None:
    attribute = replace(default_form().attributes[0], kind="ordered", levels=("free", "team", "firm"))
    assert [_value(attribute, at) for at in range(7)] == [None, "free", _UNSEEN, "free", "team", "firm", None]
