"""Past lists as a table and as plain data."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace

import pytest

from ml_sys.experiments.backtest import CutoffResult
from ml_sys.jobs.past.backtest import PastLists
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.campaign import Campaign, Season
from ml_sys.metrics.holdout import ALL, SEEN
from ml_sys.metrics.scored_lists import MODEL, RANDOM


def made(cutoff: int, precision: float) -> CutoffResult:
    metrics = {
        ALL: {RANDOM: {"roc_auc": 0.5}, MODEL: {"roc_auc": precision}},
        SEEN: {MODEL: {"roc_auc": 0.1}},
    }
    return CutoffResult(cutoff, cutoff - 35, {ALL: 900, SEEN: 90}, {ALL: 7, SEEN: 3}, 4, 30, 12, metrics)


def campaign(reached: float) -> Campaign:
    return Campaign(MODEL, 5, 0, 2, 10, 8, Estimate(reached, 0, 9), 8, 0.4)


LISTS = PastLists(
    SimpleNamespace(  # type: ignore[arg-type]  # what is read of it
        cutoffs=[made(18_000, 0.75), made(18_035, 0.875)], mean={"m": 1}, spread={"s": 2}, intervals={"i": 3},
        pooled={"p": 4}, season=Season((campaign(4), campaign(0)), ()), remembered=1,
    ),
    None,
)  # fmt: skip


def test_a_table_has_a_row_a_list_with_the_figures_of_the_model_over_all_prospects() -> None:
    table = LISTS.table
    assert table.index.tolist() == ["2019-04-14", "2019-05-19"]
    assert table.to_dict("records") == [
        {"trained": "2019-03-10", "prospects": 900, "conversions": 7, "roc_auc": 0.75},
        {"trained": "2019-04-14", "prospects": 900, "conversions": 7, "roc_auc": 0.875},
    ]


def test_as_plain_data_days_are_dates_and_what_reached_nobody_has_no_calls_for_each() -> None:
    told = LISTS.to_plain()
    assert [(one["cutoff"], one["trained"]) for one in told["cutoffs"]] == [
        ("2019-04-14", "2019-03-10"), ("2019-05-19", "2019-04-14"),
    ]  # fmt: skip
    assert [told[name] for name in ("mean", "spread", "intervals", "pooled", "remembered")] == [
        {"m": 1}, {"s": 2}, {"i": 3}, {"p": 4}, 1,
    ]  # fmt: skip
    assert [one["share"] for one in told["campaigns"]] == pytest.approx([0.5, 0.0])
    assert [one["calls_per_converter"] for one in told["campaigns"]] == [2.5, None]
    assert campaign(0).calls_per_converter == inf
