"""Promises: what probabilities add up to, and whether that came true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.metrics.promises import (
    KEPT,
    NOT_REFUTED,
    TOO_FEW,
    TOO_LITTLE,
    TOO_MUCH,
    _more_weeks,
    apart,
    conversions_needed,
    count_interval,
    promises,
)
from ml_sys.metrics.scored_lists import MODEL, ScoredLists


def lists_of(probability: np.ndarray, label: np.ndarray, cutoff: np.ndarray | None = None) -> ScoredLists:
    n = probability.size
    return ScoredLists(
        cutoff=np.zeros(n, np.int32) if cutoff is None else cutoff.astype(np.int32),
        company=np.arange(n, dtype=np.int32),
        label=label.astype(bool),
        seen=np.ones(n, bool),
        closed=np.full(n, NEVER_CLOSED, np.int32),
        value=np.full(n, np.nan),
        scores={MODEL: probability},
        threshold=np.full(n, 0.5),
        tier=np.where(probability >= 0.05, "A", np.where(probability >= 0.02, "B", "C")),
    )


@given(count=st.integers(0, 200), confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_count_is_garwoods(count: int, confidence: float) -> None:
    tail = (1 - confidence) / 2
    low, high = count_interval(count, confidence)
    assert low == pytest.approx(stats.chi2.ppf(tail, 2 * count) / 2 if count else 0.0)
    assert high == pytest.approx(stats.chi2.ppf(1 - tail, 2 * count + 2) / 2)
    assert low <= count <= high


@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 40))
def test_tiers_and_bands_each_hold_every_row_of_lists_that_lie_apart(seed: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    n = 400
    lists = lists_of(rng.beta(0.1, 3, n), rng.random(n) < 0.02, rng.integers(0, 8, n) * 7)
    found = promises(lists, horizon, 0.95)
    assert (np.diff(found.cutoffs) >= horizon).all()
    rows = np.isin(lists.cutoff, found.cutoffs)
    for part in (found.tiers, found.bands, (found.total,)):
        assert sum(one.rows for one in part) == rows.sum()
        assert sum(one.realised for one in part) == lists.label[rows].sum()
        assert sum(one.promised for one in part) == pytest.approx(lists.probability[rows].sum())


def test_a_probability_on_the_edge_of_two_bands_is_in_the_higher_one_and_certainty_in_the_last() -> None:
    edges = np.array([0.0, 0.001, 0.005, 0.02, 0.05, 1.0])
    assert [one.rows for one in promises(lists_of(edges, edges > 0), 30, 0.95).bands] == [1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("probability", "converting", "verdict"),
    [
        (0.1, 100, KEPT),
        (0.02, 18, NOT_REFUTED),
        (0.1, 60, TOO_MUCH),
        (0.1, 150, TOO_LITTLE),
        (0.001, 1, TOO_FEW),
        (0.001, 9, TOO_LITTLE),
    ],
)
def test_a_promise_is_judged_by_the_interval_of_what_came(
    probability: float, converting: int, verdict: str
) -> None:
    label = np.arange(1000) < converting
    assert promises(lists_of(np.full(1000, probability), label), 30, 0.95).total.verdict == verdict


def test_lists_are_thinned_from_the_latest_one_back() -> None:
    assert apart(np.array([0, 7, 14, 21, 28, 35, 42]), 30).tolist() == [7, 42]
    assert apart(np.array([5, 5, 5]), 30).tolist() == [5]
    assert apart(np.array([35, 0, 28, 35]), 30).tolist() == [0, 35]
    assert apart(np.array([], dtype=np.int32), 30).tolist() == []


def test_lists_exactly_a_horizon_apart_are_both_kept() -> None:
    assert apart(np.array([0, 29, 30, 60]), 30).tolist() == [0, 30, 60]


def test_the_number_of_conversions_needed_is_that_of_a_two_sided_test() -> None:
    factor = np.exp((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / np.sqrt(conversions_needed()))
    assert 1.48 < factor <= 1.5


@pytest.mark.parametrize(("converting", "weeks"), [(60, None), (24, 5), (23, 6), (1, 235), (0, None)])
def test_with_few_conversions_it_is_known_how_long_the_others_take(
    converting: int, weeks: int | None
) -> None:
    found = promises(lists_of(np.full(1000, 0.05), np.arange(1000) < converting), 35, 0.95)
    assert (found.needed, found.more_weeks) == (48, weeks)


def test_the_weeks_that_are_missing_count_every_list_and_the_days_between_two() -> None:
    # 24 conversions came in two lists of 35 days each: the 24 more that are needed take 70 days.
    cutoff = np.repeat([0, 35], 500)
    lists = lists_of(np.full(1000, 0.05), np.arange(1000) % 500 < 12, cutoff)
    assert promises(lists, 35, 0.95).more_weeks == 10
    further = replace(lists, cutoff=(2 * cutoff).astype(np.int32))
    assert promises(further, 35, 0.95).more_weeks == 20


def test_bands_and_tiers_are_named_and_count_their_companies_once() -> None:
    probability = np.array([0.0005, 0.004, 0.01, 0.03, 0.2, 0.2])
    lists = replace(
        lists_of(probability, np.array([0, 0, 0, 0, 1, 1])), company=np.array([0, 1, 2, 3, 4, 4], np.int32)
    )
    found = promises(lists, 30, 0.9)
    assert [one.name for one in found.bands] == [
        "below 0.1%",
        "0.1% to 0.5%",
        "0.5% to 2.0%",
        "2.0% to 5.0%",
        "5.0% and more",
    ]
    assert [one.name for one in found.tiers] == ["tier A", "tier B", "tier C"]
    assert [(one.rows, one.companies, one.realised) for one in found.tiers] == [
        (2, 1, 2),
        (1, 1, 0),
        (3, 3, 0),
    ]
    last = found.bands[-1]
    assert (last.promised, last.verdict) == (pytest.approx(0.4), TOO_FEW)
    assert (last.low, last.high) == count_interval(2, 0.9)
    assert (found.total.name, found.total.companies, found.cutoffs) == ("all", 5, (0,))


@pytest.mark.parametrize(("converting", "verdict"), [(4, TOO_FEW), (5, TOO_LITTLE)])
def test_five_conversions_promised_or_seen_are_enough_to_say_something(converting: int, verdict: str) -> None:
    nothing = lists_of(np.full(1000, 0.0001), np.arange(1000) < converting)
    assert promises(nothing, 30, 0.95).total.verdict == verdict
    seen = lists_of(np.full(1000, (converting + 1) / 1000), np.zeros(1000, dtype=bool))
    assert promises(seen, 30, 0.95).total.verdict == TOO_MUCH
    unseen = lists_of(np.full(1000, 0.0049), np.zeros(1000, dtype=bool))
    assert promises(unseen, 30, 0.95).total.verdict == TOO_FEW


@pytest.mark.parametrize(("converting", "verdict"), [(47, NOT_REFUTED), (48, KEPT)])
def test_a_promise_is_kept_once_there_are_enough_conversions_to_notice(converting: int, verdict: str) -> None:
    label = np.arange(1000) < converting
    assert promises(lists_of(np.full(1000, 0.048), label), 30, 0.95).total.verdict == verdict


def test_as_many_conversions_as_are_needed_need_no_more_weeks() -> None:
    needed, cutoffs = conversions_needed(), np.array([0, 35], dtype=np.int32)
    assert _more_weeks(needed, cutoffs, 35) is None
    assert _more_weeks(needed - 1, cutoffs, 35) == 1
    assert _more_weeks(0, cutoffs, 35) is None
