"""Predicted beside observed, by outcome and by threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.metrics.calibration import (
    LEAST_POSITIVES,
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
