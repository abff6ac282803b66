"""The gate's criteria by hand: limits exactly met, and figures of companies that can be counted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml_sys.metrics.paired import Paired
from ml_sys.metrics.ranking import Outcomes
from ml_sys.registry.criteria import (
    PERMUTATIONS,
    _chance_limit,
    _inverse,
    _least,
    asked,
    calibrated,
    canaries,
    converters,
    files,
    finite,
    laxness,
    no_worse,
    signal,
    unseen,
)
from ml_sys.settings import GateSettings

GATE = GateSettings(resamples=200)


def outcomes(score: np.ndarray, label: np.ndarray, company: np.ndarray | None = None) -> Outcomes:
    n = score.size
    who = np.arange(n) if company is None else company
    return Outcomes(score, label, np.zeros(n, dtype=np.int32), who.astype(np.int32))


@pytest.mark.parametrize(("least", "passed"), [(3, True), (4, False)])
def test_so_many_companies_that_convert_are_enough(least: int, passed: bool) -> None:
    label = np.array([1, 1, 0, 1, 1, 0], dtype=bool)
    company = np.array([0, 0, 1, 2, 3, 4])
    gate = GATE.model_copy(update={"min_positives": least})
    found = converters(outcomes(np.zeros(6), label, company), gate)
    assert found.passed == passed
    assert found.figures == {"converters": 3, "conversions": 4, "rows": 6}


@pytest.mark.parametrize(
    ("rate", "lift", "least"), [(0.01, 3.0, 0.03), (0.2, 3.0, 0.6), (0.4, 3.0, 0.7), (0.5, 1.0, 0.5)]
)
def test_the_interval_has_to_clear_the_rate_by_its_lift_or_half_way_to_all(
    rate: float, lift: float, least: float
) -> None:
    assert _least(rate, lift) == pytest.approx(least)


def test_chance_is_limited_by_the_confidence_and_never_below_what_can_be_counted() -> None:
    assert _chance_limit(0.95) == pytest.approx(0.025)
    assert _chance_limit(0.9) == pytest.approx(0.05)
    assert _chance_limit(0.99999) == 1 / (PERMUTATIONS + 1)


def test_predicted_over_observed_is_that_of_all_rows_and_its_interval_holds_it() -> None:
    label = np.arange(400) < 40
    score = np.where(label, 0.25, 0.05)
    found = calibrated(outcomes(score, label), GATE, seed=1)
    assert found.figures["predicted_over_observed"] == pytest.approx((10 + 18) / 40)
    low, high = found.figures["low"], found.figures["high"]
    assert low is not None
    assert high is not None
    assert low < 0.7 < high
    error = found.figures["calibration_error"]
    # Ten bins of 40 rows: the first is 30 too low, the others 2 too high each.
    assert error == pytest.approx((30 + 9 * 2) / 40)


def test_more_confidence_makes_wider_intervals_of_calibration() -> None:
    label = np.arange(400) % 10 == 0
    judged = outcomes(np.full(400, 0.1), label)
    spans = []
    for confidence in (0.8, 0.95):
        figures = calibrated(judged, GATE.model_copy(update={"confidence": confidence}), seed=1).figures
        spans.append((figures["low"], figures["high"]))
    assert spans[1][0] < spans[0][0] < 1 < spans[0][1] < spans[1][1]  # type: ignore[operator]


def test_without_conversions_neither_signal_nor_calibration_is_judged() -> None:
    nobody = outcomes(np.linspace(0, 1, 5), np.zeros(5, dtype=bool))
    for found in (signal(nobody, GATE, 1), calibrated(nobody, GATE, 1)):
        assert (found.passed, found.text) == (False, "not judged: there are no conversions")


def paired(worse: float) -> Paired:
    return Paired("average_precision", 0.2, 0.25, -0.05, -0.1, 0.02, 0.1, worse)


def test_a_probability_of_being_worse_exactly_at_the_limit_passes() -> None:
    most = GATE.max_probability_worse
    assert no_worse(paired(most), GATE, "").passed
    assert not no_worse(paired(math.nextafter(most, 1)), GATE, "").passed
    assert no_worse(paired(0.0), GATE, "").figures["difference"] == -0.05
    assert no_worse(None, GATE, "").text == "not judged: average precision is not defined on these rows"
    assert no_worse(None, GATE, "its files are gone").text == "not judged: its files are gone"


def test_what_is_asked_of_a_challenger_names_its_champion_only_where_there_is_one() -> None:
    alone, beside = (asked(GATE, beside_champion=there) for there in (False, True))
    assert list(beside)[: len(alone)] == list(alone)
    assert len(beside) == len(alone) + 2
    assert "predicted over observed" in alone["calibrated"]
    ratio = GATE.max_calibration_ratio
    assert f"{1 / ratio:.3g} to {ratio:.3g}" in alone["calibrated"]


def test_small_findings_say_how_many() -> None:
    assert files(()).passed
    assert (files(("a", "b")).text, files(("a", "b")).figures) == ("a; b", {"problems": 2})
    assert (canaries(("a",)).passed, canaries(()).passed) == (False, True)
    assert unseen("", 2).text == "it has not; 2 companies left out"
    assert (unseen("", 0).text, unseen("", 0).passed) == ("it has not", True)
    assert not unseen("it learnt from them", 2).passed
    assert finite(a=1.5, b=math.inf, c=math.nan) == {"a": 1.5, "b": None, "c": None}
    assert (_inverse(4.0), _inverse(0.0)) == (0.25, math.inf)


def test_a_laxer_gate_is_named_with_both_values() -> None:
    laxer = GATE.model_copy(update={"min_positives": 1, "tolerance": GATE.tolerance + 0.1})
    found, strict = laxness(laxer, GATE)
    assert "gate.min_positives = 1" in found
    assert f"gate.min_positives = {GATE.min_positives}" in strict
    assert f"gate.tolerance = {GATE.tolerance}" in strict
    assert laxness(GATE, laxer) == ("", "")


def test_probabilities_of_nothing_predict_nothing_of_what_was_observed() -> None:
    figures = calibrated(outcomes(np.zeros(50), np.arange(50) < 5), GATE, seed=1).figures
    assert (figures["predicted_over_observed"], figures["low"], figures["high"]) == (0, 0, 0)
    assert figures["calibration_error"] == pytest.approx(1)
