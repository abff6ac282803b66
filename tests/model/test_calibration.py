"""Calibration: scores become probabilities, in the same order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from ml_sys.model.calibration import EPSILON, Calibrator, fit_calibrator, log_odds

METHODS = ("sigmoid", "isotonic", "none")
EVERY_SCORE = np.linspace(0, 1, 501)


def drawn(
    slope: float, intercept: float, n: int = 40_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, what they really mean, and labels drawn from that."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.6, 4, n).clip(1e-6, 1 - 1e-6)
    truth = 1 / (1 + np.exp(-(slope * log_odds(scores) + intercept)))
    return scores, truth, rng.random(n) < truth


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 500), n=st.integers(2, 60), signal=st.sampled_from([-1.0, 0.0, 1.0]))
def test_a_higher_score_never_gets_a_lower_probability(method: str, seed: int, n: int, signal: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    labels = rng.random(n) < 0.5 + signal * (scores - 0.5)
    probability = fit_calibrator(method, scores, labels)(EVERY_SCORE)  # type: ignore[arg-type]
    assert (np.diff(probability) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -3.0), (0.6, 0.5), (1.7, 0.0)])
def test_a_known_shift_is_recovered(slope: float, intercept: float) -> None:
    scores, truth, labels = drawn(slope, intercept, n=200_000)
    fitted = fit_calibrator("sigmoid", scores, labels)
    assert fitted.slope == pytest.approx(slope, rel=0.06)
    assert fitted.intercept == pytest.approx(intercept, abs=0.1)
    assert np.abs(fitted(scores) - truth).mean() < 0.01


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_the_mean_probability_is_the_rate_of_the_rows_fitted_to(method: str) -> None:
    scores, _, labels = drawn(1.0, -2.0, n=5000)
    fitted = fit_calibrator(method, scores, labels)  # type: ignore[arg-type]
    assert fitted(scores).mean() == pytest.approx(labels.mean(), rel=1e-3)


def test_isotonic_follows_a_shape_that_no_line_has() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(20_000)
    truth = np.where(scores < 0.5, 0.05, 0.4)
    fitted = fit_calibrator("isotonic", scores, rng.random(scores.size) < truth)
    assert np.abs(fitted(scores) - truth).mean() < 0.015


def test_scores_that_point_the_wrong_way_are_not_turned_round() -> None:
    scores, _, labels = drawn(-1.0, 0.0, n=3000)
    fitted = fit_calibrator("sigmoid", scores, labels)
    assert fitted.slope > 0
    assert fitted(scores).mean() == pytest.approx(labels.mean(), rel=0.05)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("label", [True, False])
def test_with_one_kind_of_label_scores_stay_as_they_are(method: str, label: bool) -> None:
    fitted = fit_calibrator(method, EVERY_SCORE, np.full(EVERY_SCORE.size, label))  # type: ignore[arg-type]
    assert fitted == Calibrator("none")
    np.testing.assert_array_equal(fitted(EVERY_SCORE), EVERY_SCORE)


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_exactly_zero_and_one_give_finite_probabilities(method: str) -> None:
    scores = np.array([0.0, 0.0, 1.0, 1.0, 0.5])
    fitted = fit_calibrator(method, scores, np.array([False, True, True, True, False]))  # type: ignore[arg-type]
    assert np.isfinite(fitted(np.array([0.0, 0.3, 1.0]))).all()


def test_probabilities_are_double_even_of_single_scores() -> None:
    scores, _, labels = drawn(1.0, -1.0, n=500)
    for method in METHODS:
        fitted = fit_calibrator(method, scores.astype(np.float32), labels)  # type: ignore[arg-type]
        assert fitted(scores.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    ("knots", "values"),
    [
        ((0.1, 0.1), (0.2, 0.3)),
        ((0.2, 0.1), (0.2, 0.3)),
        ((0.1,), (0.2, 0.3)),
        ((), ()),
        ((0.1, np.nan), (0.2, 0.3)),
    ],
)
def test_a_calibration_from_a_file_whose_knots_do_not_rise_or_pair_is_refused(knots, values) -> None:
    plain = {"method": "isotonic", "slope": 1.0, "intercept": 0.0}
    with pytest.raises(ValueError, match="a calibration"):
        Calibrator.from_plain({**plain, "knots": knots, "values": values})
    assert Calibrator.from_plain({**plain, "knots": (0.1, 0.2), "values": (0.2, 0.3)}).knots == (0.1, 0.2)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_rows_that_stand_for_others_count_as_often(method: str) -> None:
    scores, _, labels = drawn(1.2, -0.5, n=2000)
    times = np.where(labels, 1, 3)
    again = np.repeat(np.arange(labels.size), times)
    weighted = fit_calibrator(method, scores, labels, times.astype(np.float64))
    whole = fit_calibrator(method, scores[again], labels[again])
    np.testing.assert_allclose(weighted(scores), whole(scores), rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "knots"), [("sigmoid", [0.1, 0.2]), ("none", [0.1, 0.2]), ("isotonic", [])]
)
def test_only_an_isotonic_calibration_from_a_file_has_knots_and_it_has_some(
    method: str, knots: list[float]
) -> None:
    plain = {
        "method": method,
        "slope": 1.0,
        "intercept": 0.0,
        "knots": knots,
        "values": [0.0, 1.0][: len(knots)],
    }
    with pytest.raises(ValueError, match="knots"):
        Calibrator.from_plain(plain)


@pytest.mark.parametrize(("converting", "slope"), [(502, 1e-3), (508, 2e-3)])
def test_a_slope_of_next_to_nothing_is_the_least_one_at_the_rate(converting: int, slope: float) -> None:
    # Of scores 32 apart in log-odds, the upper thousand convert hardly more often than the lower one.
    scores = np.repeat([1 / (1 + np.exp(-16)), 1 / (1 + np.exp(16))], 1000)
    label = np.concatenate([np.arange(1000) < converting, np.arange(1000) < 1000 - converting])
    found = fit_calibrator("sigmoid", scores, label)
    assert found.slope == pytest.approx(slope, rel=0.02)
    assert found.intercept == pytest.approx(0, abs=1e-3)


def test_steps_are_joined_by_straight_lines_and_level_beyond_their_ends() -> None:
    knots, values = (0.1, 0.2, 0.4, 0.5, 0.9), (0.01, 0.1, 0.1, 0.6, 0.8)
    scores = np.sort([*np.linspace(0, 1, 41), *knots])
    found = Calibrator("isotonic", knots=knots, values=values)(scores)
    np.testing.assert_allclose(found, np.interp(scores, knots, values), rtol=0, atol=1e-15)
    assert Calibrator("isotonic", knots=(0.5,), values=(0.25,))(scores).tolist() == [0.25] * scores.size
    two = Calibrator("isotonic", knots=(0.0, 1.0), values=(0.0, 0.5))
    assert two(np.array([0.0, 0.5, 1.0])).tolist() == [0.0, 0.25, 0.5]


def test_a_line_is_one_of_log_odds_kept_off_their_ends() -> None:
    scores = np.array([0.0, 1e-9, 0.01, 0.5, 0.99, 1.0])
    kept = np.clip(scores, 1e-7, 1 - 1e-7)
    assert EPSILON == 1e-7
    np.testing.assert_allclose(log_odds(scores), logit(kept), rtol=1e-12)
    found = Calibrator("sigmoid", 0.5, -1.0)(scores)
    np.testing.assert_allclose(found, expit(0.5 * logit(kept) - 1), rtol=1e-12)
    assert (Calibrator("none").slope, Calibrator("none").intercept) == (1, 0)
    assert Calibrator("none")(scores).tolist() == scores.tolist()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_line_is_the_most_likely_one_without_a_penalty(weighted: bool) -> None:
    scores, _, labels = drawn(1.0, 1.0, n=60, seed=4)
    weight = np.where(labels, 1.0, 2.5) if weighted else None
    found = fit_calibrator("sigmoid", scores, labels, weight)
    off = (found(scores) - labels) * (1 if weight is None else weight)
    # Where the likelihood is greatest its slope is nothing, in either direction.
    assert abs(off.sum()) < 1e-3
    assert abs((off * log_odds(scores)).sum()) < 1e-3


def test_without_a_slope_the_rate_is_that_of_the_rows_stood_for() -> None:
    scores, labels = np.array([0.1, 0.1, 0.9, 0.9]), np.array([True, False, True, False])
    found = fit_calibrator("sigmoid", scores, labels, np.array([1.0, 3.0, 1.0, 3.0]))
    assert (found.slope, found.intercept) == (1e-3, pytest.approx(logit(0.25)))


@pytest.mark.parametrize(
    "changed",
    [
        {"slope": float("nan")},
        {"intercept": float("inf")},
        {"slope": "1"},
        {"slope": None},
        {"values": (0.1, 0.2, float("nan"))},
        {"knots": (0.1, 0.3, 0.2)},
        {"knots": (0.3, 0.1, 0.2)},
    ],
)
def test_a_single_number_that_cannot_be_is_enough_to_refuse_a_calibration(changed) -> None:
    plain = {
        "method": "isotonic",
        "slope": 1.0,
        "intercept": 0,
        "knots": (0.1, 0.2, 0.3),
        "values": (0, 0.5, 1),
    }
    assert Calibrator.from_plain(plain).values == (0, 0.5, 1)
    with pytest.raises(ValueError, match="a calibration"):
        Calibrator.from_plain({**plain, **changed})


def test_the_number_of_threads_changes_no_bit_of_a_calibration() -> None:
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.0001, 0.05, 60_000)
    labels = rng.random(scores.size) < scores
    fitted = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fitted.append(fit_calibrator("sigmoid", scores, labels))
    assert fitted[0] == fitted[1]
