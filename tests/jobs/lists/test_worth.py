"""What the top of a list is worth, who was a customer by when, and what a list says as plain data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.snapshot import everyone, latest
from ml_sys.jobs.lists.listed import Listed
from ml_sys.jobs.lists.paid_since import NOBODY
from ml_sys.jobs.lists.score import _asked, _customers, worth_of_top
from ml_sys.metrics.money import worth_of
from ml_sys.scoring.reasons import Reason
from ml_sys.scoring.remembered import FOLDER
from ml_sys.scoring.scored_list import ScoredList
from ml_sys.settings import Settings
from tests.data.tables import Tables
from tests.scoring.test_remembered import remember


def listed(probability: list[float], **columns: list[object]) -> ScoredList:
    n = len(probability)
    table = pd.DataFrame(
        {
            "rank": range(1, n + 1),
            "id": [f"n{at}" for at in range(n)],
            "probability": probability,
            "tier": "A",
            "will_convert": True,
            "model_version": "1.0.0",
            "cutoff": "2020-02-03",
            **columns,
        }
    )
    return ScoredList(table, np.arange(n), ("a note",), ("a warning",), pa.table({}))


def settings_at(folder: Path, **changes: object) -> Settings:
    return Settings.model_validate({"artifacts_dir": folder, "bootstrap": {"resamples": 50}, **changes})


def test_the_top_is_worth_its_conversions_times_what_customers_pay_on_average(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.customers += ["2020-02-10,,1004,2 to 5,RETAIL,c4", "2020-02-10,-50,1005,2 to 5,RETAIL,c5"]
    tables.ingest()
    asked = settings_at(tables.artifacts)
    found = worth_of_top(listed([0.5, 0.25, 0.125]), 2, asked)
    mrr = latest(tables.artifacts).companies["value"].dropna().to_numpy()
    assert mrr.size == 4
    assert found is not None
    assert found.calls == 2
    assert found.expected == pytest.approx(0.75 * np.maximum(mrr, 0).mean())
    assert found == worth_of(np.array([0.5, 0.25]), mrr, resamples=50, confidence=0.95, seed=asked.seed)


def test_without_a_snapshot_or_a_known_mrr_nothing_is_said_of_money(tmp_path: Path) -> None:
    assert worth_of_top(listed([0.5]), 1, settings_at(tmp_path / "none")) is None
    tables = Tables(tmp_path, customers=["2020-02-10,,1000,2 to 5,RETAIL,c1"])
    tables.usage = [row for row in tables.usage if not row.endswith(("c2", "c3"))]
    tables.ingest()
    assert worth_of_top(listed([0.5]), 1, settings_at(tables.artifacts)) is None


def test_customers_are_known_by_the_day_on_which_they_became_so(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.ingest()
    days = {
        name: str(np.datetime64(day, "D")) for name, day in _customers(everyone(tables.artifacts)).items()
    }
    assert days == {"c1": "2020-02-10", "c2": "2020-02-11", "c3": "2020-02-12"}


def test_a_cool_down_asks_for_the_lists_of_its_weeks(tmp_path: Path) -> None:
    day = int(np.datetime64("2020-02-03", "D").astype(int))
    for cutoff, name in (("2020-01-13", "old"), ("2020-01-14", "first"), ("2020-02-03", "today")):
        table = listed([0.5], id=[name], cutoff=[cutoff]).table
        remember(tmp_path / FOLDER, table, cutoff)
    asked = _asked(settings_at(tmp_path, score={"cooldown_weeks": 3}), "1.0.0", day, 40, NOBODY)
    assert asked.listed == {"first": day - 20}
    assert (asked.version, asked.cutoff, asked.reasons_top, asked.cooldown_weeks) == ("1.0.0", day, 40, 3)
    plain = _asked(settings_at(tmp_path, score={"reasons_top": 7, "reasons": 2}), "1.0.0", day, 40, NOBODY)
    assert (plain.listed, plain.reasons_top, plain.reasons, plain.cooldown_weeks) == (None, 7, 2, 0)


def test_a_list_as_plain_data_holds_the_rows_shown_with_their_reasons() -> None:
    one = Reason("many deals", "raises", 0.5, ("deals",))
    scored = listed([0.5, 0.25, 0.125], listed_on=["", "2020-01-20", ""], reason_1=["a", "b", "c"])
    scored = ScoredList(
        scored.table, scored.input_order, scored.notes, scored.warnings, scored.quarantine, ([one],)
    )
    told = Listed(scored, shown=2).to_plain()
    assert told["prospects"] == 3
    assert [(row["id"], row["listed_on"], row["reasons"]) for row in told["list"]] == [
        ("n0", None, [one]),
        ("n1", "2020-01-20", []),
    ]
    assert "reason_1" not in told["list"][0]
    assert (told["notes"], told["warnings"], told["worth"]) == (("a note",), ("a warning",), None)
