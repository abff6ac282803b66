"""The best of many trials looks better than it is: by how much, and when it is not so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml_sys.experiments.selection import gain
from ml_sys.views.tune import said_of


@given(arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.floats(0, 1)))
def test_the_nested_estimate_lies_between_the_worst_value_and_the_best_mean(values):
    judged = gain(values)
    assert values.min() - 1e-12 <= judged.nested <= judged.best + 1e-12
    assert judged.in_force <= judged.best


def test_of_trials_that_differ_by_noise_alone_the_nested_estimate_leaves_no_gain():
    rng = np.random.default_rng(1)
    judged = [gain(0.2 + 0.05 * rng.normal(size=(30, 6))) for _ in range(300)]
    found = np.mean([one.best - one.in_force for one in judged])
    held = np.mean([one.nested - one.in_force for one in judged])
    assert found > 0.035
    assert abs(held) < 0.005


def test_a_trial_that_is_better_everywhere_keeps_its_whole_gain():
    judged = gain(np.array([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4], [0.1, 0.1, 0.1]]))
    assert (judged.in_force, judged.selection) == (pytest.approx(0.2), 0.0)
    assert said_of(judged) == (
        "The best trial gains 0.1000 over the current settings; chosen without the cutoff that judges it, "
        "0.1000 is left, so that 0.0000 comes only from choosing."
    )


def test_a_gain_that_does_not_hold_is_called_the_choosing():
    judged = gain(np.array([[0.2, 0.2], [0.5, 0.0], [0.0, 0.45]]))
    assert judged.best > judged.in_force > judged.nested
    assert said_of(judged).endswith("the gain comes from choosing alone.")


def test_each_cutoff_judges_the_trial_that_the_others_choose():
    # Without the first cutoff the second trial is best, without the second or third the last.
    judged = gain(np.array([[0.1, 0.1, 0.1], [0.0, 0.5, 0.4], [0.6, 0.3, 0.3]]))
    assert judged.in_force == pytest.approx(0.1)
    assert judged.best == pytest.approx(0.4)
    assert judged.nested == pytest.approx((0.0 + 0.3 + 0.3) / 3)
    assert judged.selection == pytest.approx(0.2)


def test_a_trial_that_shines_at_a_single_cutoff_is_not_chosen_by_the_others():
    judged = gain(np.array([[0.5, 0.5, 0.5], [0.9, 0.0, 0.0]]))
    assert (judged.nested, judged.best) == (0.5, 0.5)
    judged = gain(np.array([[0.5, 0.5, 0.5], [0.0, 0.0, 0.9]]))
    assert judged.nested == 0.5
