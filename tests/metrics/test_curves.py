"""Curves, gains and depths of a ranking."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from ml_sys.metrics import curves
from ml_sys.metrics.bootstrap import cluster_weights, estimate
from ml_sys.metrics.calibration import (
    confusions,
)
from ml_sys.metrics.ranking import CumulatedRanking, Outcomes, ranking_metrics


def outcomes(seed: int, n: int = 600, rate: float = 0.1, levels: int = 40) -> Outcomes:
    rng = np.random.default_rng(seed)
    label = rng.random(n) < rate
    label[:2] = True, False
    score = np.round((rng.random(n) + 0.4 * label) * levels) / (2 * levels)
    cutoff = np.sort(rng.integers(0, 3, n)).astype(np.int32)
    return Outcomes(score, label, cutoff, rng.integers(0, n // 2, n).astype(np.int32))


@given(seed=st.integers(0, 10_000))
def test_the_roc_curve_is_that_of_scikit_learn(seed: int) -> None:
    one = outcomes(seed)
    curve = curves.roc(one)
    mistakes, found, _ = roc_curve(one.label, one.score, drop_intermediate=False)
    last = np.append(np.diff(mistakes) > 0, True)
    expected = np.interp(curves.GRID, mistakes[last], found[last])
    np.testing.assert_allclose(curve.y, expected, atol=1e-12)


@given(seed=st.integers(0, 10_000))
def test_precision_at_full_recall_is_that_of_calling_down_to_the_last_converter(seed: int) -> None:
    one = outcomes(seed)
    lowest = one.score[one.label].min()
    rows = one.score >= lowest
    assert curves.precision_recall(one).y[-1] == pytest.approx(one.label.sum() / rows.sum())


def test_a_band_holds_its_curve_and_is_the_same_for_the_same_seed() -> None:
    one = outcomes(3)
    first = curves.roc(one, resamples=200, seed=5)
    assert first == curves.roc(one, resamples=200, seed=5)
    inside = [
        low - 0.02 <= y <= high + 0.02 for y, low, high in zip(first.y, first.low, first.high, strict=True)
    ]
    assert all(inside)
    assert max(np.subtract(first.high, first.low)) > 0.02


def test_without_a_converter_there_is_no_curve_and_no_gain() -> None:
    one = outcomes(1)
    none = Outcomes(one.score, np.zeros_like(one.label), one.cutoff, one.company)
    assert np.isnan(curves.roc(none, resamples=10).y).all()
    assert curves.gains(none) == ()


@given(seed=st.integers(0, 10_000))
def test_tenths_hold_every_row_and_every_conversion_once(seed: int) -> None:
    one = outcomes(seed)
    tenths = curves.gains(one)
    assert sum(tenth.rows for tenth in tenths) == one.score.size
    assert sum(tenth.conversions for tenth in tenths) == pytest.approx(one.label.sum())
    assert tenths[-1].gain == pytest.approx(1)


def test_a_tenth_has_its_own_lift_and_the_gain_of_all_down_to_it() -> None:
    n = np.arange(20)
    label = np.isin(n, [0, 5, 19])
    tenths = curves.gains(Outcomes(-n.astype(float), label, np.zeros(20, np.int32), n.astype(np.int32)))
    assert [tenth.gain for tenth in tenths] == pytest.approx([1 / 3, 1 / 3, *[2 / 3] * 7, 1])
    assert [tenth.lift for tenth in tenths] == pytest.approx([10 / 3, 0, 10 / 3, *[0] * 6, 10 / 3])


def test_depths_give_the_same_figures_as_the_metrics() -> None:
    one = outcomes(7)
    metrics = ranking_metrics(one, np.ones((1, one.score.size)))
    depths = curves.working_depths(one, (10, 50, 10_000), resamples=20, confidence=0.95, seed=1)
    assert [depth.depth for depth in depths] == [10, 50]
    for depth in depths:
        assert depth.precision.value == pytest.approx(metrics[f"precision_at_{depth.depth}"][0])
        assert depth.recall.value == pytest.approx(metrics[f"recall_at_{depth.depth}"][0])


def test_depths_and_calls_are_those_of_whole_lists_of_which_the_rows_are_a_share() -> None:
    one = outcomes(3)
    fifth, drawn = replace(one, share=0.2), {"resamples": 20, "confidence": 0.95, "seed": 1}
    (shown,) = curves.working_depths(fifth, (50,), **drawn)
    (same,) = curves.working_depths(one, (10,), **drawn)
    assert (shown.depth, shown.precision, shown.recall) == (50, same.precision, same.recall)
    for whole, part in zip(confusions(one, 0.4, (10,)), confusions(fifth, 0.4, (50,)), strict=True):
        assert part == replace(whole, calls_per_list=pytest.approx(5 * whole.calls_per_list))


def test_a_depth_is_shown_down_to_the_length_of_the_longest_list() -> None:
    n = np.arange(17)
    one = Outcomes(-n.astype(float), n % 4 == 0, (n < 10).astype(np.int32), n.astype(np.int32))
    depths = curves.working_depths(one, (7, 10, 11), resamples=20, confidence=0.95, seed=1)
    assert [depth.depth for depth in depths] == [7, 10]
    assert depths[1].recall.value == 1


def test_a_ranking_leads_itself_by_nothing_and_a_worse_one_by_something() -> None:
    one = outcomes(5)
    drawn = {"resamples": 50, "confidence": 0.95, "seed": 2}
    itself = curves.lead(one, one, **drawn)
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)
    worse = Outcomes(-one.score, one.label, one.cutoff, one.company)
    assert curves.lead(one, worse, **drawn).low > 0


def test_precision_along_recall_is_that_of_calling_down_to_so_many_converters() -> None:
    # The first of four converters stands first, the second and third among five equals, the last at the end.
    score = np.array([9.0, *[5.0] * 5, *[1.0] * 4])
    label = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 1], dtype=bool)
    n = np.arange(10)
    one = Outcomes(score, label, np.zeros(10, np.int32), n.astype(np.int32))
    curve = dict(zip(curves.precision_recall(one).x, curves.precision_recall(one).y, strict=True))
    assert curve[0.25] == pytest.approx(1)
    assert curve[0.5] == pytest.approx(2 / 3.5)
    assert curve[0.75] == pytest.approx(3 / 6)
    assert curve[1.0] == pytest.approx(4 / 10)
    assert curve[0.0] == curve[0.005] == pytest.approx(1)


def test_a_band_lies_where_the_resampled_curves_do() -> None:
    one = outcomes(3)
    wide, narrow = (curves.roc(one, resamples=100, confidence=c, seed=5) for c in (0.9, 0.5))
    drawn = np.array(
        [
            curves._roc_at(weight, hits)
            for weights in cluster_weights(one.company, 100, 5)
            for ranked in [CumulatedRanking.build(one.score, one.label, weights)]
            for weight, hits in zip(ranked.weight, ranked.hits, strict=True)
        ]
    )
    np.testing.assert_allclose((wide.low, wide.high), np.percentile(drawn, (5, 95), axis=0))
    np.testing.assert_allclose((narrow.low, narrow.high), np.percentile(drawn, (25, 75), axis=0))


def test_tenths_of_rows_that_do_not_divide_are_rounded_and_ties_are_shared_out() -> None:
    n = np.arange(16)
    score = np.where(n < 4, 1.0, 0.0)
    tenths = curves.gains(Outcomes(score, n < 2, np.zeros(16, np.int32), n.astype(np.int32)))
    assert [tenth.rows for tenth in tenths] == [2, 1, 2, 1, 2, 2, 1, 2, 1, 2]
    assert [tenth.decile for tenth in tenths] == list(range(1, 11))
    assert [tenth.conversions for tenth in tenths[:3]] == pytest.approx([1, 0.5, 0.5])
    assert tenths[0].lift == pytest.approx((1 / 2) / (2 / 16))


def test_the_lead_of_a_ranking_is_the_difference_of_average_precisions() -> None:
    one = outcomes(5)
    other = replace(one, score=np.random.default_rng(1).random(one.score.size))
    found = curves.lead(one, other, resamples=100, confidence=0.8, seed=2)
    once = np.ones((1, one.score.size))
    ours, theirs = (ranking_metrics(each, once)["average_precision"][0] for each in (one, other))
    assert found.value == pytest.approx(ours - theirs)
    assert found.low < found.value < found.high


def test_a_curve_has_no_band_unless_asked_for_and_a_band_of_95_percent_by_the_seed_0() -> None:
    one = outcomes(4)
    for curve in (curves.roc, curves.precision_recall):
        assert (curve(one).low, curve(one).high) == ((), ())
        assert curve(one, resamples=20) == curve(one, resamples=20, confidence=0.95, seed=0)


def test_curves_are_read_finer_at_their_beginning() -> None:
    fine, coarse = np.arange(21) / 200, np.arange(41) / 40
    assert curves.GRID.tolist() == sorted({round(float(x), 3) for x in (*fine, *coarse)})


def test_a_perfect_ranking_finds_all_before_its_first_mistake() -> None:
    perfect = Outcomes(
        np.array([1.0, 0, 0]), np.arange(3) < 1, np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    )
    assert set(curves.roc(perfect).y) == {1.0}
    nothing_to_mistake = replace(perfect, label=np.ones(3, dtype=bool))
    assert np.isnan(curves.roc(nothing_to_mistake).y).all()


def test_resamples_that_all_miss_the_only_converter_draw_no_band() -> None:
    n = np.arange(3)
    one = Outcomes(-n.astype(float), n < 1, np.zeros(3, np.int32), n.astype(np.int32))
    seed = next(s for s in range(50) if np.asarray(next(cluster_weights(one.company, 1, s)))[0, 0] == 0)
    curve = curves.roc(one, resamples=1, seed=seed)
    assert (curve.low, curve.high) == ((), ())
    assert curve == curves.roc(one)


def test_no_rows_have_no_depths() -> None:
    none = Outcomes(np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int32), np.zeros(0, np.int32))
    assert curves.working_depths(none, (10,), resamples=5, confidence=0.9, seed=1) == ()


def test_depths_are_means_over_the_lists_that_have_a_converter_with_intervals_for_so_few() -> None:
    # The first list has one converter on its second place, the second none, the third two on its first.
    label = np.array([0, 1, 0, 0, 0, 0, 1, 1, 0], dtype=bool)
    n = np.arange(9)
    one = Outcomes(-n.astype(float), label, (n // 3).astype(np.int32), n.astype(np.int32))
    first, second = curves.working_depths(one, (1, 2), resamples=40, confidence=0.9, seed=3)
    assert (first.precision.value, first.recall.value) == pytest.approx((1 / 3, (0 + 1 / 2) / 2))
    assert (second.precision.value, second.recall.value) == pytest.approx(((1 + 0 + 2) / 6, (1 + 1) / 2))

    def precision(weights: np.ndarray) -> dict[str, np.ndarray]:
        shares = []
        for day in range(3):
            rows = one.cutoff == day
            ranked = CumulatedRanking.build(one.score[rows], label[rows], np.asarray(weights)[:, rows])
            calls = np.minimum(2, ranked.total)
            shares.append(np.where(calls > 0, ranked.hits_at(calls) / np.maximum(calls, 1), np.nan))
        return {"precision": np.nanmean(shares, axis=0)}

    asked = {"resamples": 40, "confidence": 0.9, "seed": 3}
    expected = estimate(precision, one.company, label=label, **asked)["precision"]  # type: ignore[arg-type]
    assert (second.precision.low, second.precision.high) == pytest.approx((expected.low, expected.high))


def test_a_single_conversion_is_gained_in_its_tenth() -> None:
    nothing, company = np.zeros(20, dtype=np.int32), np.arange(20, dtype=np.int32)
    one = Outcomes(np.arange(20, 0, -1) / 20, np.arange(20) == 3, nothing, company)
    assert [tenth.conversions for tenth in curves.gains(one)] == [0, 1, *[0] * 8]


def test_depths_of_a_share_of_a_list_may_be_parts_of_a_call() -> None:
    # A fifth of a list: of its first two places the first four tenths of a call, of its fifteen three.
    nothing, company = np.zeros(3, dtype=np.int32), np.arange(3, dtype=np.int32)
    one = Outcomes(np.array([0.9, 0.5, 0.1]), np.array([True, False, False]), nothing, company, 0.2)
    found = curves.working_depths(one, [2, 15, 16], resamples=5, confidence=0.9, seed=1)
    assert [each.depth for each in found] == [2, 15]
    assert [each.precision.value for each in found] == pytest.approx([1, 1 / 3])
    assert [each.recall.value for each in found] == pytest.approx([0.4, 1])
    nobody = replace(one, label=np.zeros(3, dtype=bool))
    (first, _) = curves.working_depths(nobody, [2, 15], resamples=5, confidence=0.9, seed=1)
    assert first.precision.value == 0
    assert np.isnan(first.recall.value)


def test_precision_at_no_recall_is_that_of_the_first_point_read() -> None:
    # Two hundred convert, and others stand between them: after the first the precision is 1, after two 2 / 3.
    n = 400
    label, nothing = np.arange(n) % 2 == 0, np.zeros(n, dtype=np.int32)
    found = curves.precision_recall(Outcomes(-np.arange(n) / n, label, nothing, np.arange(n, dtype=np.int32)))
    assert found.y[:3] == pytest.approx((1, 1, 2 / 3))
