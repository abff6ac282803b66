"""The paired bootstrap and the test against chance: exact on every resample, whatever the order of rows."""

from __future__ import annotations

import tracemalloc
from dataclasses import astuple, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from ml_sys.metrics.bootstrap import cluster_weights, estimate, lead_interval
from ml_sys.metrics.paired import (
    Paired,
    RankingMetric,
    _average_precision,
    _resampled,
    chance_p_value,
    converters_of,
    interval_of,
    metric_interval,
    paired_bootstrap,
    share_of,
)
from ml_sys.metrics.ranking import Outcomes, ranking_metrics

METRICS: tuple[RankingMetric, ...] = ("average_precision", "roc_auc")
SCORES = st.one_of(st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Outcomes, Outcomes]:
    """Two models on the same rows: ties, several rows a company, any labels."""
    n = draw(st.integers(1, 50))
    columns = [draw(st.lists(values, min_size=n, max_size=n)) for values in (SCORES, SCORES, st.booleans())]
    company = draw(st.lists(st.integers(-3, 12), min_size=n, max_size=n))
    first = Outcomes(
        np.array(columns[0]),
        np.array(columns[2]),
        np.arange(n, dtype=np.int32),
        np.array(company, dtype=np.int32),
    )
    return first, replace(first, score=np.array(columns[1]))


def some_rows(seed: int = 0, companies: int = 300, positives: int = 20, noise: float = 1.0) -> Outcomes:
    """Three rows a company; the positives score higher by two, on average."""
    rng = np.random.default_rng(seed)
    company = np.repeat(np.arange(companies, dtype=np.int32), 3)
    label = np.zeros(company.size, dtype=bool)
    label[3 * rng.choice(companies, positives, replace=False)] = True
    return Outcomes(
        2.0 * label + noise * rng.normal(size=label.size),
        label,
        np.tile(np.arange(3, dtype=np.int32), companies),
        company,
    )


def another(rows: Outcomes, seed: int, noise: float = 0.5) -> Outcomes:
    """The same rows by a model that errs elsewhere."""
    return replace(rows, score=rows.score + np.random.default_rng(seed).normal(0, noise, rows.score.size))


def compared(challenger: Outcomes, champion: Outcomes, **changes: float) -> Paired:
    asked = {"tolerance": 0.1, "resamples": 300, "confidence": 0.95, "seed": 3} | changes
    return paired_bootstrap(challenger, champion, "average_precision", **asked)  # type: ignore[arg-type]


@given(both=rankings(), seed=st.integers(0, 99))
def test_every_resample_has_exactly_the_metric_of_its_weighted_rows(
    both: tuple[Outcomes, Outcomes], seed: int
) -> None:
    both = tuple(replace(one, cutoff=one.cutoff * 0) for one in both)
    weights = np.concatenate(list(cluster_weights(both[0].company, 20, seed)))
    ones = np.ones((1, both[0].score.size))
    for metric in METRICS:
        expected = np.stack([ranking_metrics(one, weights)[metric] for one in both])
        defined = ~np.isnan(expected[0])
        value, drawn = _resampled(both, metric, 20, seed)
        np.testing.assert_allclose(drawn, expected[:, defined], rtol=1e-12, atol=1e-15)
        whole = [ranking_metrics(one, ones)[metric][0] for one in both]
        np.testing.assert_allclose(value, whole, rtol=1e-12, atol=1e-15)


@given(both=rankings(), seed=st.integers(0, 99))
def test_the_order_of_the_rows_changes_no_bit(both: tuple[Outcomes, Outcomes], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(both[0].score.size)
    moved = tuple(one.take(order) for one in both)
    for metric in METRICS:
        for found, again in zip(
            _resampled(both, metric, 10, 1), _resampled(moved, metric, 10, 1), strict=True
        ):
            np.testing.assert_array_equal(found, again)
    p_values = [chance_p_value(one, permutations=20, seed=1) for one in (both[0], moved[0])]
    assert p_values[0] == p_values[1]


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_of_one_model_is_that_of_the_bootstrap(metric: RankingMetric) -> None:
    rows = some_rows()
    asked = {"resamples": 200, "confidence": 0.9, "seed": 5}
    found = metric_interval(rows, metric, **asked)  # type: ignore[arg-type]
    expected = estimate(
        lambda weights: ranking_metrics(rows, weights), rows.company, label=rows.label, **asked
    )[metric]  # type: ignore[arg-type]
    assert vars(found) == pytest.approx(vars(expected), rel=1e-12)


@given(both=rankings(), times=st.integers(2, 4))
def test_rows_that_stand_for_others_count_as_often(both: tuple[Outcomes, Outcomes], times: int) -> None:
    weight = np.where(both[0].label, 1, times)
    again = np.repeat(np.arange(weight.size), weight)
    weighted = [replace(one, weight=weight.astype(np.float64)) for one in both]
    repeated = [
        Outcomes(one.score[again], one.label[again], one.cutoff[again], one.company[again]) for one in both
    ]
    found, wanted = (astuple(compared(*pair)) for pair in (weighted, repeated))
    assert found[1:] == pytest.approx(wanted[1:], nan_ok=True)


def test_an_identical_model_differs_by_nothing_in_any_resample() -> None:
    rows = some_rows()
    found = compared(replace(rows, score=np.exp(rows.score)), rows, tolerance=0.0)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert (found.probability_better, found.probability_worse) == (0, 0)


def test_both_models_meet_the_same_draws() -> None:
    rows = some_rows(noise=2.0)
    paired = compared(another(rows, 1, noise=0.05), rows)
    alone = metric_interval(rows, "average_precision", resamples=300, confidence=0.95, seed=3)
    assert paired.high - paired.low < 0.3 * (alone.high - alone.low)


def test_swapped_roles_mirror_the_difference() -> None:
    one, other = some_rows(), another(some_rows(), 1)
    there, back = compared(one, other), compared(other, one)
    assert (there.challenger, there.champion) == (back.champion, back.challenger)
    assert (there.difference, there.low, there.high) == pytest.approx(
        (-back.difference, -back.high, -back.low)
    )
    assert there.probability_better + back.probability_better == pytest.approx(1)


def test_a_clearly_better_model_is_better_in_every_resample() -> None:
    rows = some_rows(noise=0.5)
    found = compared(rows, another(rows, 1, noise=3.0))
    assert 0 < found.low < found.difference < found.high
    assert (found.probability_better, found.probability_worse) == (1, 0)


def test_being_worse_counts_only_beyond_the_tolerance() -> None:
    rows = some_rows(noise=1.5)
    shares = [compared(another(rows, 1), rows, tolerance=at).probability_worse for at in (0, 0.1, 0.3, 0.99)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[1] > shares[-1] == 0


@pytest.mark.parametrize(("tolerance", "worse"), [(0.1, 1.0), (0.5, 0.0)])
def test_the_tolerance_of_a_roc_auc_is_a_share_of_its_lead_over_chance(
    tolerance: float, worse: float
) -> None:
    # A tenth of .65 would forgive .60; a tenth of the .15 by which .65 beats chance does not.
    company = np.arange(2000, dtype=np.int32)
    label = company < 1000
    champion = Outcomes(1.0 * (company < 300), label, company * 0, company)
    challenger = replace(champion, score=1.0 * (company < 200))
    found = paired_bootstrap(
        challenger, champion, "roc_auc", tolerance=tolerance, resamples=300, confidence=0.95, seed=3
    )
    assert (found.challenger, found.champion) == pytest.approx((0.60, 0.65))
    assert found.probability_worse == worse


def test_more_confidence_is_a_wider_interval_of_the_same_draws() -> None:
    rows = some_rows()
    wide, narrow = (compared(another(rows, 1), rows, confidence=c) for c in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.probability_worse == narrow.probability_worse


def test_the_same_seed_gives_the_same_comparison_and_another_one_another() -> None:
    rows = some_rows()
    assert compared(another(rows, 1), rows) == compared(another(rows, 1), rows)
    assert compared(another(rows, 1), rows, seed=4).low != compared(another(rows, 1), rows).low


@pytest.mark.parametrize("label", [False, True])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_metric_that_is_not_defined_is_not_a_number(label: bool) -> None:
    rows = some_rows()
    rows = replace(rows, label=np.full(rows.label.size, label))
    found = paired_bootstrap(rows, rows, "roc_auc", tolerance=0.1, resamples=20, confidence=0.95, seed=1)
    assert np.isnan(
        [value for name, value in vars(found).items() if name not in {"metric", "difference"}]
    ).all()
    alone = metric_interval(rows, "average_precision", resamples=20, confidence=0.95, seed=1)
    assert np.isnan([alone.value, alone.low, alone.high]).all() == (not label)


def test_resamples_without_a_conversion_are_left_out() -> None:
    rows = some_rows(companies=5, positives=1)
    _, drawn = _resampled((rows,), "average_precision", 400, 1)
    assert drawn.shape[1] / 400 == pytest.approx(1 - 0.8**5, abs=0.07)
    assert np.isfinite(list(vars(compared(rows, rows)).values())[1:]).all()


def test_chance_does_not_reach_a_perfect_ranking_and_always_reaches_a_constant_one() -> None:
    rows = some_rows()
    assert chance_p_value(replace(rows, score=1.0 * rows.label), permutations=99, seed=1) == 1 / 100
    assert chance_p_value(replace(rows, score=0.0 * rows.label), permutations=99, seed=1) == 1
    assert chance_p_value(replace(rows, label=np.zeros(900, dtype=bool)), permutations=99, seed=1) == 1


def test_a_single_conversion_at_place_k_is_reached_by_k_in_n() -> None:
    score = np.linspace(1, 0, 50)
    company = np.arange(50, dtype=np.int32)
    for place in (1, 5, 25, 50):
        rows = Outcomes(score, np.arange(50) == place - 1, company * 0, company)
        assert chance_p_value(rows, permutations=4000, seed=2) == pytest.approx(place / 50, abs=0.025)


@given(both=rankings())
def test_chance_is_measured_by_the_same_average_precision_ties_included(
    both: tuple[Outcomes, Outcomes],
) -> None:
    _, group, sizes = np.unique(-both[0].score, return_inverse=True, return_counts=True)
    labels = [label for label in (both[0].label, ~both[0].label) if label.any()]
    for label in labels:
        found = _average_precision(group[label][None], np.cumsum(sizes))
        assert found[0] == pytest.approx(average_precision_score(label, both[0].score), rel=1e-12)


def test_chance_is_what_shuffled_labels_reach() -> None:
    score = np.array([9, 8, 8, 8, 7, 6, 6, 5, 4, 4, 3, 2, 1.0])
    pairs = [np.isin(np.arange(13), pair) for pair in combinations(range(13), 2)]
    values = np.array([average_precision_score(label, score) for label in pairs])
    company = np.arange(13, dtype=np.int32)
    for label in (pairs[2], pairs[13], pairs[30], pairs[70]):
        rows = Outcomes(score, label, company * 0, company)
        expected = (values >= average_precision_score(label, score) - 1e-12).mean()
        assert chance_p_value(rows, permutations=4000, seed=5) == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize("conversions_each", [1, 4])
def test_luck_is_no_rarer_than_it_says_even_where_companies_convert_at_many_cutoffs(
    conversions_each: int,
) -> None:
    rng = np.random.default_rng(6)
    company = np.repeat(np.arange(150, dtype=np.int32), 6)
    cutoff = np.tile(np.arange(6, dtype=np.int32), 150)
    converting = np.isin(company, rng.choice(150, 8, replace=False)) & (cutoff < conversions_each)
    scores = [rng.normal(size=150)[company] for _ in range(400)]  # each company alike at all cutoffs
    rankings = [Outcomes(score, converting, cutoff, company) for score in scores]
    p_values = np.array([chance_p_value(one, permutations=99, seed=1) for one in rankings])
    for level in (0.05, 0.2, 0.5):  # three standard errors of 400 runs
        assert (p_values <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 400)
    assert (p_values <= 0.2).mean() > 0.1


@pytest.mark.slow
def test_two_thousand_resamples_of_fifty_thousand_rows_take_little_memory() -> None:
    rows = some_rows(companies=17_000, positives=150)
    tracemalloc.start()
    compared(another(rows, 1), rows, resamples=2000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500e6


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_of_a_difference_is_that_of_the_resamples_of_companies(metric: RankingMetric) -> None:
    rng = np.random.default_rng(8)
    label, company = rng.random(240) < 0.1, (np.arange(240) // 3).astype(np.int32)
    one, other = (
        Outcomes(rng.random(240) + lead * label, label, np.zeros(240, np.int32), company)
        for lead in (0.5, 0.2)
    )
    found = paired_bootstrap(one, other, metric, tolerance=0.1, resamples=200, confidence=0.9, seed=3)
    weights = np.concatenate(list(cluster_weights(company, 200, 3)))
    ours, theirs = (ranking_metrics(each, weights)[metric] for each in (one, other))
    difference = ours - theirs
    converters = len(set(company[label].tolist()))
    bounds = lead_interval(metric, found.difference, difference, converters, 0.9)
    assert (found.low, found.high) == pytest.approx(bounds)
    value = [ranking_metrics(each, one.once())[metric][0] for each in (one, other)]
    assert (found.challenger, found.champion) == pytest.approx(tuple(value))
    assert found.difference == pytest.approx(value[0] - value[1])
    assert found.probability_better == np.nanmean(difference > 0)
    no_skill = 0.5 if metric == "roc_auc" else 0.0
    assert found.probability_worse == np.nanmean(ours < theirs - 0.1 * (theirs - no_skill))


def test_an_interval_leaves_out_as_much_on_either_side() -> None:
    assert interval_of(np.arange(101.0), 0.9) == pytest.approx((5, 95))
    assert np.isnan(interval_of(np.empty(0), 0.9)).all()


def test_converters_are_companies_and_shares_and_intervals_of_nothing_are_none() -> None:
    label = np.array([True, True, False, True, False])
    rows = Outcomes(np.zeros(5), label, np.zeros(5, np.int32), np.array([3, 3, 4, 9, 9], np.int32))
    assert converters_of(rows) == 2
    assert share_of(np.array([True, False, False, False])) == 0.25
    assert np.isnan([share_of(np.zeros(0, bool)), *interval_of(np.zeros(0), 0.9)]).all()
    drawn = np.arange(101.0)
    assert interval_of(drawn[::-1], 0.9) == pytest.approx((5, 95))
