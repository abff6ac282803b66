"""Converters reached in the top of lists: exact, ties included, and with intervals by companies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_sys.metrics.bootstrap import Estimate, cluster_counts, lead_interval
from ml_sys.metrics.ranking import Outcomes
from ml_sys.metrics.reach import compare_reach, reached


def lists(*scores: list[float], converts: set[tuple[int, int]], share: float = 1.0) -> Outcomes:
    """One list a row of scores, of companies 0, 1, 2, …; who converts after which list is named."""
    table = np.array(scores)
    cutoff, company = (axis.ravel().astype(np.int32) for axis in np.indices(table.shape))
    label = np.array([(int(c), int(t)) in converts for c, t in zip(company, cutoff, strict=True)])
    return Outcomes(table.ravel(), label, cutoff, company, share)


def test_a_converter_is_reached_once_in_whatever_lists_it_stands_at_the_top() -> None:
    twice = lists([3, 2, 1], [3, 1, 2], converts={(0, 0), (0, 1), (2, 0)})
    assert reached(twice, 1).tolist() == [1, 0]
    assert reached(twice, 3).tolist() == [1, 1]


def test_only_a_list_after_which_a_company_converts_reaches_it() -> None:
    assert reached(lists([3, 2], [1, 2], converts={(0, 1)}), 1).tolist() == [0]


def test_equal_scores_share_the_places_that_are_left() -> None:
    tied = lists([1, 0, 0, 0, 0], [0, 0, 0, 0, 1], converts={(1, 0), (1, 1)})
    assert reached(tied, 2) == pytest.approx([1 - (1 - 1 / 4) * (1 - 1 / 4)])
    assert reached(tied, 1).tolist() == [0]


def test_depths_are_those_of_whole_lists() -> None:
    part = lists([4, 3, 2, 1], converts={(1, 0), (2, 0)}, share=0.2)
    assert reached(part, 10).tolist() == [1, 0]


def test_one_ranking_beside_another_is_compared_by_the_mean_over_depths() -> None:
    converts = {(c, 0) for c in range(20)}
    good = lists([100 - c for c in range(100)], converts=converts)
    bad = replace(good, score=-good.score)
    found = compare_reach(good, bad, (10, 20, 90), tolerance=0.1, resamples=200, confidence=0.95, seed=7)
    assert (found.ours, found.theirs) == ((10, 20, 20), (0, 0, 10))
    assert found.difference.value == pytest.approx((10 + 20 + 10) / 3)
    assert 0 < found.difference.low < found.difference.value < found.difference.high <= 20
    assert found.probability_fewer == 0
    other = compare_reach(bad, good, (10, 20, 90), tolerance=0.1, resamples=200, confidence=0.95, seed=7)
    assert other.difference.value == -found.difference.value
    assert other.probability_fewer == 1


def test_a_ranking_is_level_with_itself_and_the_order_of_rows_is_nothing() -> None:
    rng = np.random.default_rng(3)
    some = lists(*rng.random((3, 80)).tolist(), converts={(c, c % 3) for c in range(12)})
    drawn = {"tolerance": 0.0, "resamples": 100, "confidence": 0.95, "seed": 7}
    level = compare_reach(some, some, (5, 10), **drawn)
    assert (level.difference.low, level.difference.high, level.probability_fewer) == (0, 0, 0)
    order = rng.permutation(some.score.size)
    assert compare_reach(some.take(order), some.take(order), (5, 10), **drawn) == level


def test_two_converters_among_equals_of_one_list_each_have_the_chance_of_a_place() -> None:
    tied = lists([0, 0, 0, 0, -1], converts={(1, 0), (2, 0), (4, 0)})
    assert reached(tied, 1) == pytest.approx([1 / 4, 1 / 4, 0])
    assert reached(tied, 5) == pytest.approx([1, 1, 1])
    assert reached(lists([1.0, 0], converts=set()), 1).size == 0


def test_a_company_that_converts_after_several_lists_is_one_converter_in_every_resample() -> None:
    rng = np.random.default_rng(3)
    some = lists(*rng.random((2, 30)).tolist(), converts={(c, t) for c in range(6) for t in range(2)})
    other = replace(some, score=-some.score)
    asked = {"tolerance": 0.0, "resamples": 80, "confidence": 0.9, "seed": 5}
    found = compare_reach(some, other, (5, 15), **asked)
    counts = np.concatenate(list(cluster_counts(30, 30, 80, 5)))[:, :6]
    counts = counts[counts.sum(axis=1) > 0]
    ours, theirs = (np.mean([reached(one, depth) for depth in (5, 15)], axis=0) for one in (some, other))
    mean, level = ((counts @ one) / counts.sum(axis=1) * 6 for one in (ours, theirs))
    bounds = lead_interval("converters", found.difference.value, mean - level, 6, 0.9)
    assert found.difference == Estimate(pytest.approx(ours.sum() - theirs.sum()), *map(pytest.approx, bounds))
    # Where both are level, the last bits decide.
    assert np.mean(mean < level - 1e-9) <= found.probability_fewer <= np.mean(mean < level + 1e-9)
    assert 0.3 < found.probability_fewer < 0.9


def test_fewer_within_the_tolerance_are_not_fewer() -> None:
    converts = {(c, 0) for c in range(20)}
    one = lists([100.0 - c for c in range(40)], converts=converts)
    less = lists([*[100.0 - c for c in range(19)], 0.0, *[50.0] * 20], converts=converts)
    asked = {"resamples": 50, "confidence": 0.9, "seed": 5}
    assert compare_reach(less, one, (20,), tolerance=0.5, **asked).probability_fewer == 0
    assert compare_reach(less, one, (20,), tolerance=0.0, **asked).probability_fewer > 0.5
