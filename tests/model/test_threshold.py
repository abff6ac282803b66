"""Thresholds and tiers: where "will convert" begins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ml_sys.model.threshold import Tiers, choose_threshold, choose_tiers
from ml_sys.settings import ThresholdSettings

PROBABILITIES = np.arange(1, 101) / 1000
LABELS = PROBABILITIES > 0.09


def chosen(kind: str, n_lists: int = 1, **changes: float) -> float:
    asked = ThresholdSettings.model_validate({"kind": kind, **changes})
    return choose_threshold(PROBABILITIES, LABELS, asked, n_lists=n_lists)


@pytest.mark.parametrize(("capacity", "n_lists", "above"), [(5, 1, 5), (5, 3, 15), (1, 1, 1), (400, 1, 100)])
def test_capacity_lets_through_as_many_as_sales_can_call(capacity: int, n_lists: int, above: int) -> None:
    threshold = chosen("capacity", n_lists, capacity=capacity)
    assert (threshold <= PROBABILITIES).sum() == above


def test_a_fixed_threshold_is_the_value_given() -> None:
    assert chosen("fixed", value=0.37) == 0.37


@given(st.data())
def test_no_threshold_has_a_better_f1_than_the_one_chosen(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 25))
    probability = np.array(
        data.draw(st.lists(st.sampled_from([0.01, 0.1, 0.2, 0.5, 0.9]), min_size=n, max_size=n))
    )
    label = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    threshold = choose_threshold(probability, label, ThresholdSettings(kind="f1"), n_lists=1)
    best = f1_score(label, probability >= threshold)
    assert best >= max(f1_score(label, probability >= other) for other in probability) - 1e-12


def test_tiers_hold_a_week_and_the_wanted_number_of_weeks() -> None:
    tiers = choose_tiers(PROBABILITIES, ThresholdSettings(capacity=4, tier_b_capacities=2.5), n_lists=3)
    found, counts = np.unique(tiers.of(PROBABILITIES), return_counts=True)
    assert dict(zip(found.tolist(), counts.tolist(), strict=True)) == {"A": 12, "B": 30, "C": 58}


def test_a_probability_on_the_bound_is_in_the_better_tier() -> None:
    probabilities = np.array([0.5, 0.4999, 0.2, 0.1999])
    assert Tiers(0.5, 0.2).of(probabilities).tolist() == ["A", "B", "B", "C"]
    assert [Tiers(0.5, 0.2).name(float(one)) for one in probabilities] == ["A", "B", "B", "C"]


@pytest.mark.parametrize(("capacity", "share", "above"), [(50, 0.8, 40), (50, 0.2, 10), (1, 0.2, 1)])
def test_of_rows_that_are_a_share_of_a_list_so_many_are_called_as_make_the_capacity_of_the_whole(
    capacity: int, share: float, above: int
) -> None:
    asked = ThresholdSettings(capacity=capacity)
    threshold = choose_threshold(PROBABILITIES, LABELS, asked, n_lists=share)
    assert (threshold <= PROBABILITIES).sum() == above
    assert (choose_tiers(PROBABILITIES, asked, n_lists=share).a <= PROBABILITIES).sum() == above


@given(st.data())
def test_rows_that_stand_for_others_count_as_often(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 25))
    probability = np.array(
        data.draw(st.lists(st.sampled_from([0.01, 0.1, 0.2, 0.5]), min_size=n, max_size=n))
    )
    label = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    times = np.array(data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)))
    kind = data.draw(st.sampled_from(["capacity", "f1"]))
    asked = ThresholdSettings(kind=kind, capacity=data.draw(st.integers(1, 30)))
    again, weight = np.repeat(np.arange(n), times), times.astype(np.float64)
    assert choose_threshold(probability, label, asked, n_lists=1, weight=weight) == choose_threshold(
        probability[again], label[again], asked, n_lists=1
    )
    assert choose_tiers(probability, asked, n_lists=1, weight=weight) == choose_tiers(
        probability[again], asked, n_lists=1
    )


@pytest.mark.parametrize(
    ("n_lists", "a", "b"), [(0.52, 3, 13), (0.44, 2, 11), (0.01, 1, 1), (1.0, 5, 25), (30.0, 100, 100)]
)
def test_calls_of_part_of_a_list_are_rounded_to_the_nearest_and_one_at_least(
    n_lists: float, a: int, b: int
) -> None:
    asked = ThresholdSettings(capacity=5, tier_b_capacities=4.0)
    tiers = choose_tiers(PROBABILITIES, asked, n_lists=n_lists)
    assert ((tiers.a <= PROBABILITIES).sum(), (tiers.b <= PROBABILITIES).sum()) == (a, b)
    assert choose_threshold(PROBABILITIES, LABELS, asked, n_lists=n_lists) == tiers.a
    whole = np.ones(PROBABILITIES.size)
    assert choose_tiers(PROBABILITIES, asked, n_lists=n_lists, weight=whole) == tiers


def test_of_weighted_rows_the_one_that_fills_the_capacity_is_the_last_called() -> None:
    probability, weight = np.array([0.1, 0.4, 0.3, 0.2]), np.array([5.0, 1.0, 3.0, 2.0])
    for capacity, threshold in ((1, 0.4), (2, 0.3), (4, 0.3), (5, 0.2), (6, 0.2), (7, 0.1), (99, 0.1)):
        asked = ThresholdSettings(capacity=capacity)
        none = np.zeros(4, dtype=bool)
        assert choose_threshold(probability, none, asked, n_lists=1, weight=weight) == threshold


def test_the_best_f1_may_lie_where_precision_and_recall_are_both_low() -> None:
    # Two of twenty convert, the fifth and the last: at the fifth a fifth of the calls and half of them.
    probability, label = np.arange(20, 0, -1) / 20, np.isin(np.arange(20), (4, 19))
    assert choose_threshold(probability, label, ThresholdSettings(kind="f1"), n_lists=1) == probability[4]


def test_of_thresholds_that_are_as_good_the_lowest_is_taken() -> None:
    probability, label = np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, False, False, True])
    # Two of four calls are right, and of one call one, which finds half.
    assert f1_score(label, probability >= 0.1) == f1_score(label, probability >= 0.4)
    assert choose_threshold(probability, label, ThresholdSettings(kind="f1"), n_lists=1) == 0.1
