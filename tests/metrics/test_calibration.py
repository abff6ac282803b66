"""Predicted beside observed, by outcome and by threshold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.metrics.calibration import (
    LEAST_POSITIVES,
    CalibrationBin,
    Confusion,
    ScoreBin,
    bin_shares,
    calibration_curve,
    confusions,
    score_distribution,
    wilson,
)
from ml_sys.metrics.ranking import Outcomes
from tests.metrics.test_curves import outcomes

Z = 1.96


def test_wilsons_interval_is_the_published_one() -> None:
    assert wilson(1, 10, Z) == pytest.approx((0.0179, 0.4042), abs=2e-4)
    assert wilson(0, 0, Z) == (0, 1)


@given(seed=st.integers(0, 10_000))
def test_bins_of_a_calibration_curve_hold_every_row_and_enough_conversions(seed: int) -> None:
    one = outcomes(seed)
    bins = calibration_curve(one, z=Z)
    assert sum(each.rows for each in bins) == one.score.size
    assert sum(each.conversions for each in bins) == one.label.sum()
    assert all(each.conversions >= min(LEAST_POSITIVES, one.label.sum()) for each in bins)
    predicted = [each.predicted for each in bins]
    assert predicted == sorted(predicted)


def test_equal_probabilities_are_one_bin() -> None:
    one = outcomes(2)
    same = Outcomes(np.full_like(one.score, 0.1), one.label, one.cutoff, one.company)
    (only,) = calibration_curve(same, z=Z)
    assert (only.rows, only.conversions) == (one.score.size, one.label.sum())


@given(seed=st.integers(0, 10_000))
def test_every_row_is_counted_once_at_every_threshold_and_in_the_distribution(seed: int) -> None:
    one = outcomes(seed)
    found = confusions(one, 0.4, (10, 50))
    for each in found:
        cells = (each.true_positives, each.false_positives, each.false_negatives, each.true_negatives)
        assert sum(cells) == one.score.size
    assert [each.threshold for each in found if each.chosen] == [0.4]
    assert [each.recall for each in found] == sorted(each.recall for each in found)
    bins = score_distribution(one)
    assert sum(each.converted + each.others for each in bins) == one.score.size


def by_hand(
    score: list[float], label: list[int], cutoff: list[int] | None = None, share: float = 1
) -> Outcomes:
    n = len(score)
    day = np.array([0] * n if cutoff is None else cutoff, dtype=np.int32)
    return Outcomes(np.array(score), np.array(label, dtype=bool), day, np.arange(n, dtype=np.int32), share)


def test_a_bin_of_a_calibration_curve_has_its_means_and_the_interval_of_its_rate() -> None:
    score = np.repeat([0.9, 0.5, 0.1], [10, 10, 20])
    label = np.concatenate([np.arange(10) < 8, np.arange(10) < 5, np.arange(20) < 6])
    found = calibration_curve(by_hand(score.tolist(), label.tolist()), z=Z)
    assert [(one.rows, one.conversions) for one in found] == [(20, 6), (10, 5), (10, 8)]
    assert [one.predicted for one in found] == pytest.approx([0.1, 0.5, 0.9])
    assert [one.observed for one in found] == pytest.approx([0.3, 0.5, 0.8])
    assert [(one.low, one.high) for one in found] == [wilson(6, 20, Z), wilson(5, 10, Z), wilson(8, 10, Z)]


@pytest.mark.parametrize(("first", "bins"), [(LEAST_POSITIVES - 1, 1), (LEAST_POSITIVES, 2)])
def test_a_bin_is_closed_with_exactly_the_fewest_conversions(first: int, bins: int) -> None:
    score = [0.9] * 10 + [0.1] * 10
    for label in ([1] * first + [0] * (10 - first) + [1] * 10, [1] * 10 + [1] * first + [0] * (10 - first)):
        assert len(calibration_curve(by_hand(score, label), z=Z)) == bins


def test_an_interval_of_a_rate_stays_within_nothing_and_all() -> None:
    low, high = wilson(10, 10, Z)
    assert (low, high) == (pytest.approx(0.7225, abs=1e-4), 1)
    assert wilson(0, 10, Z) == (0, pytest.approx(1 - low))


def test_a_score_on_an_edge_of_the_distribution_is_of_the_upper_bin_and_certainty_of_the_last() -> None:
    found = score_distribution(by_hand([0.001, 0.0009, 0.003, 0.1, 1.0], [1, 0, 0, 1, 0]))
    assert [(one.low, one.high, one.converted, one.others) for one in found] == [
        (0.0003, 0.001, 0, 1),
        (0.001, 0.003, 1, 0),
        (0.003, 0.01, 0, 1),
        (0.01, 0.03, 0, 0),
        (0.03, 0.1, 0, 0),
        (0.1, 0.3, 1, 0),
        (0.3, 1.0, 0, 1),
    ]
    assert score_distribution(by_hand([], [])) == ()


def test_decisions_at_a_threshold_are_counted_by_hand() -> None:
    six = by_hand([0.6, 0.5, 0.5, 0.4, 0.3, 0.2], [1, 1, 0, 0, 1, 0], cutoff=[0, 0, 0, 7, 7, 7])
    at_half, at_most = confusions(six, 0.5, (2, 3))[0], confusions(six, 0.6, (2, 3))
    cells = (at_half.true_positives, at_half.false_positives, at_half.false_negatives, at_half.true_negatives)
    assert (at_half.threshold, at_half.chosen, cells) == (0.5, True, (2, 1, 1, 2))
    assert (at_half.precision, at_half.recall, at_half.calls_per_list) == (2 / 3, 2 / 3, 1.5)
    # The fourth of all rows has .4, and the sixth .2: two and three calls in each of two lists.
    assert [(one.threshold, one.chosen) for one in at_most] == [(0.6, True), (0.4, False), (0.2, False)]
    assert [one.threshold for one in confusions(six, 0.6, (4,))] == [0.6]


def test_no_calls_have_no_precision_and_no_conversions_no_recall() -> None:
    nothing = confusions(by_hand([0.1, 0.2], [0, 0]), 0.5, ())[0]
    assert np.isnan(nothing.precision)
    assert np.isnan(nothing.recall)


def test_a_calibration_curve_has_ten_bins_of_equally_many_rows_where_each_has_conversions_enough() -> None:
    n = np.arange(100)
    score, label = (99 - n // 2 * 2) / 100, n % 2 == 0  # pairs of equal scores, one of which converts
    mixed = np.random.default_rng(1).permutation(100)
    found = calibration_curve(by_hand(score[mixed].tolist(), label[mixed].tolist()), z=Z)
    assert [(one.rows, one.conversions) for one in found] == [(10, LEAST_POSITIVES)] * 10
    assert [one.predicted for one in found] == pytest.approx(np.arange(0.05, 1, 0.1))


def test_rows_in_any_order_keep_their_own_outcome_in_a_calibration_curve() -> None:
    score, label = [0.1] * 10 + [0.9] * 10, [1] * 5 + [0] * 5 + [1] * 9 + [0]
    assert [one.conversions for one in calibration_curve(by_hand(score, label), z=Z)] == [5, 9]


def test_on_a_single_list_calls_are_those_above_the_threshold() -> None:
    one = confusions(by_hand([0.9, 0.5, 0.1], [1, 0, 0]), 0.5, (2,))
    assert [(each.threshold, each.chosen, each.calls_per_list) for each in one] == [(0.5, True, 2)]
    # A share of a list that holds less than one call of the depth asked for still makes one.
    part = confusions(by_hand([0.9, 0.5, 0.1], [1, 0, 0], share=0.1), 0.95, (1,))
    assert [(each.threshold, each.calls_per_list) for each in part] == [(0.95, 0), (0.9, pytest.approx(10))]


def test_precision_is_of_calls_and_recall_of_conversions() -> None:
    one = Confusion(0.5, True, 4.0, true_positives=1, false_positives=3, false_negatives=4, true_negatives=9)
    assert (one.precision, one.recall) == (1 / 4, 1 / 5)


def test_a_rate_of_nothing_or_all_has_a_bound_there_whatever_the_rounding() -> None:
    for n in range(1, 60):
        assert 0 <= wilson(0, n, Z)[0] < 1e-12
        assert 1 - 1e-12 < wilson(n, n, Z)[1] <= 1


def test_no_more_than_ten_bins_are_made_and_one_ends_where_equal_rows_begin() -> None:
    score, company = np.arange(400.0)[::-1] / 400, np.arange(400, dtype=np.int32)
    label, nothing = np.ones(400, dtype=bool), np.zeros(400, dtype=np.int32)
    assert len(calibration_curve(Outcomes(score, label, nothing, company), z=Z)) == 10
    tied = np.where(np.arange(400) >= 360, 0.01, score)  # the last tenth, which begins where it is wanted
    bins = calibration_curve(Outcomes(tied, label, nothing, company), z=Z)
    assert [one.rows for one in bins] == [40] * 10


@pytest.mark.parametrize(("depth", "calls"), [(10, 2), (11, 3), (1, 1)])
def test_calls_of_part_of_a_list_are_rounded_to_the_nearest(depth: int, calls: int) -> None:
    nothing = np.zeros(20, dtype=np.int32)
    one = Outcomes(np.arange(20, 0, -1) / 20, np.arange(20) < 5, nothing, np.arange(20, dtype=np.int32), 0.25)
    found = [each for each in confusions(one, 2.0, [depth]) if not each.chosen]
    assert [each.true_positives + each.false_positives for each in found] == [calls]


FEW_SCORES = (0.0, 0.0001, 0.0003, 0.02, 0.1, 0.25, 0.3, 0.7, 1.0)
SMALL = st.lists(
    st.tuples(st.sampled_from(FEW_SCORES), st.booleans(), st.sampled_from([3, 10, 17])),
    min_size=1,
    max_size=60,
)


def of_rows(rows: list[tuple[float, bool, int]], share: float = 1.0) -> Outcomes:
    score, label, cutoff = zip(*rows, strict=True)
    return by_hand(list(score), list(label), list(cutoff), share)


@given(SMALL)
def test_shares_of_bins_are_those_of_rows_laid_out_one_by_one(rows: list[tuple[float, bool, int]]) -> None:
    """Each place of the ranking is cut into tenths, of which a bin takes as many as there are rows."""
    score = [one for one, _, _ in rows]
    ranked = sorted(score, reverse=True)
    tenths = [one for one in ranked for _ in range(10)]
    expected = [
        [
            tenths[len(score) * at : len(score) * (at + 1)].count(one) / (10 * score.count(one))
            for at in range(10)
        ]
        for one in score
    ]
    np.testing.assert_allclose(np.stack([*bin_shares(np.array(score))], axis=1), expected, atol=1e-12)


@given(SMALL, st.sampled_from([1.0, 2.5]))
def test_a_calibration_curve_is_the_one_of_going_down_the_rows_one_by_one(
    rows: list[tuple[float, bool, int]], z: float
) -> None:
    ranked = sorted(rows, key=lambda row: -row[0])
    scores, labels = [row[0] for row in ranked], [row[1] for row in ranked]
    size, ends = len(rows), set()
    for bin_ in range(1, 10):
        place = 1
        while place < size and (place * 10 < bin_ * size or scores[place] == scores[place - 1]):
            place += 1
        ends.add(place)
    expected, start = [], 0
    for end in sorted(ends | {size}):
        enough = sum(labels[start:end]) >= LEAST_POSITIVES and sum(labels[end:]) >= LEAST_POSITIVES
        if enough or end == size:
            here, many = labels[start:end], end - start
            mean = pytest.approx(sum(scores[start:end]) / many)
            low, high = wilson(sum(here), many, z)
            expected.append(CalibrationBin(many, sum(here), mean, pytest.approx(sum(here) / many), low, high))
            start = end
    assert calibration_curve(of_rows(rows), z=z) == tuple(expected[::-1])


@given(SMALL)
def test_a_distribution_counts_each_row_between_its_edges(rows: list[tuple[float, bool, int]]) -> None:
    edges = (0.0, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    counted = [
        ScoreBin(low, high, *(
            sum((low <= score < high or score == high == 1.0) and label == kind for score, label, _ in rows)
            for kind in (True, False)
        ))
        for low, high in pairwise(edges)
    ]  # fmt: skip
    while counted and not counted[0].converted + counted[0].others:
        counted.pop(0)
    while counted and not counted[-1].converted + counted[-1].others:
        counted.pop()
    assert score_distribution(of_rows(rows)) == tuple(counted)


@given(
    SMALL, st.sampled_from(FEW_SCORES), st.lists(st.integers(1, 30), max_size=4), st.sampled_from([1.0, 0.3])
)
def test_decisions_are_those_of_counting_row_by_row(
    rows: list[tuple[float, bool, int]], threshold: float, depths: list[int], share: float
) -> None:
    ranked = sorted((row[0] for row in rows), reverse=True)
    lists = len({cutoff for _, _, cutoff in rows}) * share
    places = [max(round(depth * lists), 1) for depth in depths]
    expected = []
    for bar in sorted({threshold} | {ranked[at - 1] for at in places if at <= len(ranked)}, reverse=True):
        cells = [(score >= bar, label) for score, label, _ in rows]
        calls = pytest.approx(sum(called for called, _ in cells) / lists)
        kinds = ((True, True), (True, False), (False, True), (False, False))
        expected.append(Confusion(bar, bar == threshold, calls, *(cells.count(kind) for kind in kinds)))
    assert confusions(of_rows(rows, share), threshold, depths) == tuple(expected)
