"""The gate's criteria by hand: limits exactly met, and figures of companies that can be counted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ml_sys.form import Noun
from ml_sys.metrics.bootstrap import Estimate, cluster_counts, interval
from ml_sys.metrics.paired import Paired, chance_p_value, metric_interval
from ml_sys.metrics.ranking import Outcomes
from ml_sys.registry import criteria
from ml_sys.registry.criteria import (
    PERMUTATIONS,
    Finding,
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
    not_judged,
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


def test_everything_asked_is_told_with_the_limits_of_the_settings() -> None:
    gate = GATE.model_copy(
        update={
            "min_positives": 1, "min_lift": 2.5, "confidence": 0.9, "max_calibration_error": 0.75,
            "max_calibration_ratio": 2.0, "max_probability_worse": 0.25, "rule_converters": 7,
        }
    )  # fmt: skip
    assert asked(gate, beside_champion=True) == {
        "files verify": "every file as it was written",
        "leak canaries passed": "none failed",
        "enough converters": "at least 1 company",
        "ranks better than chance": "interval above 2.5 times the rate, p of chance at most 0.05",
        "calibrated": "error at most 75% of the rate, predicted over observed 0.5 to 2: "
        "neither interval outside",
        "as good as simple rules": "neither probability above 0.25; asked from 7 companies that convert on"
        + ("" if gate.require_rule else "; reported, not required"),
        "rows new to the champion": "it has not trained on them",
        "no worse than the champion": "probability at most 0.25",
    }
    said = gate.model_copy(update={"require_rule": not gate.require_rule})
    told = "as good as simple rules"
    assert ("reported, not required" in asked(said, beside_champion=False)[told]) == gate.require_rule


def some(seed: int = 3, n: int = 300) -> Outcomes:
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.15
    return outcomes(0.2 * rng.random(n) + 0.1 * label * rng.random(n), label, np.arange(n) // 2)


def test_a_signal_is_told_whole() -> None:
    judged = some()
    found = signal(judged, GATE, seed=4)
    asked_for = {"resamples": 200, "confidence": GATE.confidence, "seed": 4}
    one = metric_interval(judged, "average_precision", **asked_for)  # type: ignore[arg-type]
    chance = chance_p_value(judged, permutations=2000, seed=4)
    rate = judged.label.mean()
    assert found.figures == {
        "average_precision": one.value, "low": one.low, "high": one.high, "conversion_rate": rate,
        "p_value": chance,
    }  # fmt: skip
    told = f"average precision {one.value:.3g} ({one.low:.3g} to {one.high:.3g})"
    assert found.text == f"{told}, rate {rate:.3g}, p = {chance:.2g}"
    lift = one.low / rate
    for least, passed in ((lift * 0.999, True), (lift * 1.001, False)):
        assert signal(judged, GATE.model_copy(update={"min_lift": least}), seed=4).passed == passed


def test_calibration_is_told_whole_and_each_of_its_limits_decides() -> None:
    judged = some()
    found = calibrated(judged, GATE, seed=4)
    counts = np.concatenate(list(cluster_counts(150, 300, 200, 4)))
    promised, came = (
        np.bincount(judged.company, weights=of, minlength=150) for of in (judged.score, judged.label)
    )
    ratio = np.sort((counts @ promised) / (counts @ came))
    figures = found.figures
    tail = 50 * (1 - GATE.confidence)
    inverse = np.percentile(1 / ratio, (100 - tail, tail))
    assert (figures["low"], figures["high"]) == pytest.approx(tuple(1 / inverse))
    assert figures["predicted_over_observed"] == pytest.approx(promised.sum() / came.sum())
    names = ("calibration_error", "calibration_error_low", "calibration_error_high")
    error, error_low, error_high = (figures[name] for name in names)
    assert found.text == (
        f"error {error:.0%} of the rate ({error_low:.0%} to {error_high:.0%}), predicted over observed "
        f"{figures['predicted_over_observed']:.3g} ({figures['low']:.3g} to {figures['high']:.3g})"
    )

    def passes(**limits: float) -> bool:
        wide = {"max_calibration_error": 1e6, "max_calibration_ratio": 1e6}
        return calibrated(judged, GATE.model_copy(update={**wide, **limits}), seed=4).passed

    assert passes()
    assert passes(max_calibration_error=error_low)
    assert not passes(max_calibration_error=math.nextafter(error_low, 0))
    high = outcomes(judged.score * 3, judged.label, judged.company)
    low_end = calibrated(high, GATE, seed=4).figures["low"]
    for most, passed in ((low_end, True), (math.nextafter(low_end, 0), False)):
        gate = GATE.model_copy(update={"max_calibration_error": 1e6, "max_calibration_ratio": most})
        assert calibrated(high, gate, seed=4).passed == passed
    low = outcomes(judged.score / 3, judged.label, judged.company)
    high_end = calibrated(low, GATE, seed=4).figures["high"]
    for most, passed in ((1 / high_end * 1.001, True), (1 / high_end * 0.999, False)):
        gate = GATE.model_copy(update={"max_calibration_error": 1e6, "max_calibration_ratio": most})
        assert calibrated(low, gate, seed=4).passed == passed


def test_the_error_s_interval_is_that_of_companies_drawn_again() -> None:
    # Ten companies of one bin each: the error of a resample is what its bins are off, over what came.
    label = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
    score = np.linspace(0.9, 0.0, 10)
    figures = calibrated(outcomes(score, label), GATE, seed=2).figures
    counts = np.concatenate(list(cluster_counts(10, 10, 200, 2)))
    off, came = counts @ np.abs(score - label), counts @ label
    drawn = np.where(came > 0, off / np.maximum(came, 1), np.nan)
    value = np.abs(score - label).sum() / 3
    low, high = interval("calibration_error", value, drawn, 3, GATE.confidence)
    assert figures["calibration_error"] == pytest.approx(value)
    assert (figures["calibration_error_low"], figures["calibration_error_high"]) == pytest.approx((low, high))


def test_a_comparison_is_told_whole() -> None:
    found = no_worse(paired(0.03), GATE, "")
    assert found.text == (
        "average precision 0.2 against 0.25, difference −0.1 to 0.02; "
        f"worse by over {GATE.tolerance:.0%} with probability 0.03"
    )
    assert found.figures == {
        "challenger": 0.2, "champion": 0.25, "difference": -0.05, "low": -0.1, "high": 0.02,
        "probability_better": 0.1, "probability_worse": 0.03,
    }  # fmt: skip
    assert found.blocking


def test_converters_are_told_in_words() -> None:
    one = outcomes(np.zeros(3), np.array([1, 0, 0], dtype=bool))
    assert converters(one, GATE).text == "1 company that converts, 1 conversion in 3 rows"
    part = replace(outcomes(np.zeros(2000), np.arange(2000) < 4, np.arange(2000) // 2), share=0.25)
    assert converters(part, GATE).text == (
        "2 companies that convert, 4 conversions in 2,000 rows, 25% of each list"
    )


def test_several_laxer_limits_are_named_side_by_side() -> None:
    laxer = GATE.model_copy(update={"min_positives": 1, "min_lift": 1.0})
    found, strict = laxness(laxer, GATE)
    assert sorted(found.split(", ")) == ["gate.min_lift = 1.0", "gate.min_positives = 1"]
    assert sorted(strict.split(", ")) == [
        f"gate.min_lift = {GATE.min_lift}", f"gate.min_positives = {GATE.min_positives}",
    ]  # fmt: skip


LIMIT, CLEAR = (1 - GATE.confidence) / 2, GATE.min_lift / 10


@pytest.mark.parametrize(
    ("low", "chance", "passed"),
    [
        (math.nextafter(CLEAR, 1), LIMIT, True),
        (CLEAR, 0.0, False),
        (1.0, math.nextafter(LIMIT, 1), False),
        (math.nextafter(CLEAR, 0), math.nextafter(LIMIT, 1), False),
    ],
)
def test_a_signal_clears_its_limit_and_chance_reaches_at_most_its_own(
    monkeypatch: pytest.MonkeyPatch, low: float, chance: float, passed: bool
) -> None:
    monkeypatch.setattr(criteria, "metric_interval", lambda *_, **__: Estimate(0.9, low, 1.0))
    monkeypatch.setattr(criteria, "chance_p_value", lambda *_, **__: chance)
    tenth = outcomes(np.zeros(10), np.arange(10) < 1)
    monkeypatch.setattr(criteria, "_least", lambda *_: CLEAR)
    assert signal(tenth, GATE, seed=1).passed == passed


def test_more_rows_of_the_same_companies_make_no_calibration_surer() -> None:
    rng = np.random.default_rng(5)
    label = rng.random(100) < 0.2
    score = rng.random(100) * 0.4
    once = calibrated(outcomes(score, label), GATE, seed=3).figures
    company = np.repeat(np.arange(100), 5)
    again = calibrated(outcomes(np.repeat(score, 5), np.repeat(label, 5), company), GATE, seed=3).figures
    for part in ("calibration_error", ""):
        low, high = (f"{part}_low", f"{part}_high") if part else ("low", "high")
        width, wider = once[high] - once[low], again[high] - again[low]  # type: ignore[operator]
        assert wider == pytest.approx(width, rel=0.25)


@pytest.mark.parametrize(
    ("error", "low", "high", "passed"),
    [
        (0.5, 0.5, 0.5, True),
        (0.5, 2.0, 3.0, True),
        (math.nextafter(0.5, 1), 1.0, 1.0, False),
        (0.0, math.nextafter(2, 3), 3.0, False),
        (0.0, 0.1, math.nextafter(0.5, 0), False),
    ],
)
def test_calibration_passes_exactly_at_each_of_its_limits(
    monkeypatch: pytest.MonkeyPatch, error: float, low: float, high: float, passed: bool
) -> None:
    monkeypatch.setattr(criteria, "_relative_calibration_error", lambda *_: Estimate(9.0, error, 9.0))
    monkeypatch.setattr(criteria, "_predicted_over_observed", lambda *_: Estimate(9.0, low, high))
    gate = GATE.model_copy(update={"max_calibration_error": 0.5, "max_calibration_ratio": 2.0})
    assert calibrated(outcomes(np.zeros(10), np.arange(10) < 1), gate, seed=1).passed == passed


def test_findings_that_count_are_told_whole() -> None:
    assert canaries(()) == Finding(True, "all passed", {"failed": 0.0})
    assert canaries(("ids", "blanks")) == Finding(False, "ids; blanks", {"failed": 2.0})
    assert files(()) == Finding(True, "they do", {"problems": 0.0})
    assert files(("a.json", "b", "c")) == Finding(False, "a.json; b; c", {"problems": 3.0})
    assert unseen("", 0) == Finding(True, "it has not", {"left_out": 0.0})
    assert unseen("", 2, Noun("shop", "shops")) == Finding(
        True, "it has not; 2 shops left out", {"left_out": 2.0}
    )
    assert unseen("it has", 1) == Finding(False, "it has", {"left_out": 1.0})
    assert not_judged("why") == Finding(False, "not judged: why", {}, blocking=True)
    assert finite(a=1, b=math.inf, c=math.nan, d=-2.5) == {"a": 1.0, "b": None, "c": None, "d": -2.5}


@pytest.mark.parametrize(
    ("required", "standing", "told"),
    [
        (True, False, "neither probability above 0.3; asked from 1 shop that converts on"),
        (
            False,
            False,
            "neither probability above 0.3; asked from 1 shop that converts on; reported, not required",
        ),
        (False, True, "neither probability above 0.3: a rule is in production"),
        (True, True, "neither probability above 0.3: a rule is in production"),
    ],
)
def test_what_is_asked_beside_a_rule_is_told_whole(required: bool, standing: bool, told: str) -> None:
    gate = GATE.model_copy(
        update={
            "max_probability_worse": 0.3, "rule_converters": 1, "require_rule": required, "min_positives": 1,
            "min_lift": 1.5, "confidence": 0.9, "max_calibration_error": 0.25, "max_calibration_ratio": 4.0,
        }
    )  # fmt: skip
    assert asked(gate, beside_champion=True, beside_rule=standing, entity=Noun("shop", "shops")) == {
        criteria.FILES: "every file as it was written",
        criteria.CANARIES: "none failed",
        criteria.CONVERTERS: "at least 1 shop",
        criteria.SIGNAL: "interval above 1.5 times the rate, p of chance at most 0.05",
        criteria.CALIBRATED: "error at most 25% of the rate, predicted over observed 0.25 to 4: "
        "neither interval outside",
        criteria.RULE: told,
        criteria.UNSEEN: "it has not trained on them",
        criteria.NO_WORSE: "probability at most 0.3",
    }


def test_converters_of_part_of_each_list_are_told_with_the_share() -> None:
    label = np.array([1, 1, 0, 1], dtype=bool)
    whole = outcomes(np.zeros(4), label, np.array([5, 5, 6, 7]))
    found = converters(replace(whole, share=0.2), GATE.model_copy(update={"min_positives": 2}))
    figures = {"converters": 2.0, "conversions": 3.0, "rows": 4.0}
    told = "2 companies that convert, 3 conversions in 4 rows"
    assert found == Finding(True, f"{told}, 20% of each list", figures)
    assert converters(whole, GATE.model_copy(update={"min_positives": 3})) == Finding(False, told, figures)
