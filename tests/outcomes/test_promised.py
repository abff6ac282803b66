"""What lists promise is held against what came, with bounds that such promises allow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.outcomes.promised import (
    Band,
    ListPart,
    band_of_all,
    band_of_some,
    bounds_of_count,
    by_rank,
    by_tier,
)


def rows_of(probability, converted, **others) -> pd.DataFrame:
    size = len(probability)
    base = {"rank": np.arange(1, size + 1), "tier": ["C"] * size, "money": np.zeros(size)}
    return pd.DataFrame({"probability": probability, "converted": converted, **base, **others})


def test_bounds_are_those_of_the_binomial_where_all_have_one_probability():
    # 10 tosses: P(at most 1) is .0107, at most 2 is .0547, at most 7 is .9453, at most 8 is .9893.
    assert bounds_of_count(np.full(10, 0.5), 0.95) == (2, 8)
    assert bounds_of_count(np.zeros(5), 0.95) == (0, 0)
    assert bounds_of_count(np.ones(5), 0.95) == (5, 5)
    assert bounds_of_count(np.array([]), 0.95) == (0, 0)


def test_bounds_hold_the_number_who_pay_as_often_as_they_say():
    rng = np.random.default_rng(2)
    probability = rng.beta(0.3, 8, 400)
    low, high = bounds_of_count(probability, 0.95)
    drawn = (rng.random((4000, 400)) < probability).sum(axis=1)
    assert ((low <= drawn) & (drawn <= high)).mean() >= 0.94


def test_of_very_many_companies_the_bounds_are_those_of_the_normal_distribution():
    many = np.full(20_001, 0.004)
    low, high = bounds_of_count(many, 0.95)
    exact_low, exact_high = bounds_of_count(many[:-1], 0.95)
    assert (low, high) == pytest.approx((exact_low, exact_high), abs=1)


def test_a_promise_is_kept_where_what_came_lies_within_its_bounds():
    rows = rows_of([0.5] * 10, [True] * 9 + [False])
    assert not band_of_all(rows, 0.95).kept
    assert band_of_all(rows_of([0.5] * 10, [True] * 8 + [False] * 2), 0.95).kept


def test_bands_hold_every_row_once():
    rows = rows_of([0.1] * 130, [at % 7 == 0 for at in range(130)], tier=["A"] * 50 + ["B"] * 60 + ["C"] * 20)
    for bands in (by_tier(rows, 0.95), by_rank(rows, 0.95)):
        assert sum(one.rows for one in bands) == 130
        assert sum(one.realised for one in bands) == 19
    assert [one.name for one in by_rank(rows, 0.95)][-1] == "rank 101 to 130"


def test_the_interval_of_a_precision_is_wilsons():
    rows = rows_of([0.1] * 40, [at < 9 for at in range(40)])
    found = band_of_some(rows, np.arange(40) < 25, 0.95)
    assert (found.precision.low, found.precision.high) == pytest.approx(
        proportion_confint(9, 25, 0.05, method="wilson")
    )


def test_of_rows_without_any_conversion_recall_and_lift_are_unknown():
    found = band_of_some(rows_of([0.1] * 4, [False] * 4), np.arange(4) < 2, 0.95)
    assert found.realised == 0
    assert np.isnan([found.recall, found.lift]).all()


def test_each_band_of_ranks_begins_where_the_last_one_ends():
    edges = [1, 10, 11, 25, 26, 50, 51, 100, 101, 400]
    rows = rows_of([0.5] * 10, [True] * 10, rank=edges)
    found = by_rank(rows, 0.95)
    assert [(one.name, one.rows, one.promised, one.realised) for one in found] == [
        (name, 2, 1.0, 2)
        for name in ("rank 1 to 10", "rank 11 to 25", "rank 26 to 50", "rank 51 to 100", "rank 101 to 400")
    ]
    assert [one.name for one in by_rank(rows_of([0.5] * 12, [True] * 12), 0.95)] == [
        "rank 1 to 10", "rank 11 to 12",
    ]  # fmt: skip
    assert by_rank(rows_of([], []), 0.95) == ()


def test_bands_are_told_whole():
    rows = rows_of([0.5] * 10 + [1.0] * 2, [True] * 12, tier=["A"] * 10 + ["C"] * 2)
    assert by_tier(rows, 0.95) == (
        Band("tier A", 10, 5.0, 10, 2, 8),
        Band("tier B", 0, 0.0, 0, 0, 0),
        Band("tier C", 2, 2.0, 2, 2, 2),
    )
    assert band_of_all(rows, 0.95) == Band("all", 12, 7.0, 12, 4, 10)
    kept = [Band("one", 10, 5.0, came, 2, 8).kept for came in (1, 2, 8, 9)]
    assert kept == [False, True, True, False]


def test_part_of_the_rows_is_told_whole():
    rows = rows_of([0.1, 0.2, 0.3, 0.4], [True, False, False, True], money=[10.0, 0.0, 0.0, 5.0])
    found = band_of_some(rows, np.array([True, True, False, False]), 0.95)
    interval = proportion_confint(1, 2, 0.05, method="wilson")
    assert found == ListPart(
        2, pytest.approx(0.3), 1, Estimate(0.5, *map(pytest.approx, interval)), 0.5, 1.0, 10.0
    )
    three = band_of_some(rows, np.array([True, False, False, True]), 0.95)
    assert (three.recall, three.lift, three.money) == (1, 2, 15)
    nobody = band_of_some(rows, np.zeros(4, bool), 0.95)
    assert (nobody.rows, nobody.promised, nobody.realised, nobody.recall) == (0, 0, 0, 0)
    assert (np.isnan(nobody.precision.value), nobody.precision.low, nobody.precision.high) == (True, 0, 1)


def test_of_many_rows_bounds_stay_within_none_and_all():
    assert bounds_of_count(np.full(20_001, 1e-9), 0.95) == (0, 0)
    assert bounds_of_count(np.full(20_001, 1e-5), 0.95) == (0, 1)
    assert bounds_of_count(np.full(20_001, 1 - 1e-5), 0.95) == (20_000, 20_001)
    assert bounds_of_count(np.full(20_001, 1 - 1e-9), 0.95) == (20_001, 20_001)
    # 20,001 × .5 ± 1.96 × 70.7
    assert bounds_of_count(np.full(20_001, 0.5), 0.95) == (9862, 10139)


def test_a_number_on_the_very_edge_of_a_tail_is_held():
    # Of two tosses none is a head with exactly a quarter, and one at most with three quarters.
    assert bounds_of_count(np.full(2, 0.5), 0.5) == (0, 1)
