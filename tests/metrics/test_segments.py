"""Segments: which kind of company a row belongs to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ml_sys.features.compute import FeatureSpec
from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.features.spellings import MISSING
from ml_sys.metrics.bootstrap import estimate
from ml_sys.metrics.ranking import CumulatedRanking, Outcomes, Values, Weights
from ml_sys.metrics.segments import LEAST_POSITIVES, segments

SPEC = FeatureSpec((7,))


def sizes(kind: str, seen: bool = True, **features: list[object]) -> dict[str, int]:
    """Return the rows of each segment of a kind, of a panel with these features."""
    frame = pd.DataFrame(features)
    n = len(frame)
    places = np.arange(n, dtype=np.int32)
    panel = Panel(Rows.of(frame), places, np.zeros(n, np.int32), places < 1, np.full(n, seen), {})
    found = segments(panel, np.linspace(0, 1, n), SPEC, resamples=2, confidence=0.95, seed=1)
    return {one.name: one.rows for one in found if one.kind == kind}


@pytest.mark.parametrize(
    ("employees", "name"),
    [
        (1, "1 to 9"),
        (9, "1 to 9"),
        (10, "10 to 24"),
        (25, "25 to 49"),
        (50, "50 to 199"),
        (199, "50 to 199"),
        (200, "200 to 999"),
        (1000, "1,000 or more"),
        (1e6, "1,000 or more"),
        (np.nan, "not known"),
    ],
)
def test_a_company_on_the_edge_of_two_sizes_is_of_the_larger_one(employees: float, name: str) -> None:
    assert sizes("Employees", employees=[employees]) == {name: 1}


@pytest.mark.parametrize(
    ("days", "name"),
    [
        (0, "up to 4 weeks"),
        (28, "up to 4 weeks"),
        (29, "5 to 13 weeks"),
        (91, "5 to 13 weeks"),
        (92, "14 to 52 weeks"),
        (365, "14 to 52 weeks"),
        (366, "over a year"),
    ],
)
def test_a_company_is_of_an_age_up_to_its_last_day(days: int, name: str) -> None:
    assert sizes("Time since first seen", days_since_first_row=[days]) == {name: 1}


def test_a_company_that_was_never_seen_has_no_age() -> None:
    assert sizes("Time since first seen", seen=False, days_since_first_row=[9999]) == {}


def test_the_six_most_frequent_industries_are_named_and_the_others_counted_together() -> None:
    names = [f"in_{letter}" for letter in "abcdefgh"]
    industry = [name for at, name in enumerate(names) for _ in range(1 + (at > 1))] + [MISSING] * 9
    shown = {name.replace("_", " "): 2 for name in names[2:]}
    assert sizes("Industry", industry=industry) == {**shown, "any other industry": 2, "not known": 9}


def panel_of(industry: list[str], label: list[bool]) -> Panel:
    n = len(label)
    return Panel(
        rows=Rows.of(pd.DataFrame({"industry": pd.Series(industry, dtype=object)})),
        company=np.arange(n, dtype=np.int32),
        cutoff=np.zeros(n, np.int32),
        label=np.array(label),
        seen=np.arange(n) % 2 == 0,
        rules={},
    )


def test_a_segment_with_too_few_conversions_has_no_figure() -> None:
    few, enough = LEAST_POSITIVES - 1, LEAST_POSITIVES
    labels = [True] * few + [False] * 20 + [True] * enough + [False] * 20
    panel = panel_of(["farming"] * (few + 20) + ["fishing"] * (enough + 20), labels)
    found = segments(panel, np.linspace(1, 0, len(labels)), SPEC, resamples=20, confidence=0.95, seed=1)
    by_name = {one.name: one for one in found}
    assert by_name["farming"].roc_auc is None
    fishing = by_name["fishing"].roc_auc
    assert fishing is not None
    assert fishing.value == 1


def test_a_segment_has_the_figures_of_its_rows() -> None:
    n = 60
    panel = Panel(
        rows=Rows.of(pd.DataFrame({"employees": np.where(np.arange(n) < 40, 5.0, 60.0)})),
        company=(np.arange(n) // 2).astype(np.int32),
        cutoff=(np.arange(n) % 2).astype(np.int32),
        label=np.arange(n) % 3 == 0,
        seen=np.arange(n) >= 10,
        rules={},
    )
    probability = np.arange(n) / 100
    found = segments(panel, probability, SPEC, resamples=50, confidence=0.9, seed=1)
    by_name = {(one.kind, one.name): one for one in found}
    small = by_name["Employees", "1 to 9"]
    assert (small.rows, small.companies, small.conversions) == (40, 20, 14)
    assert (small.predicted, small.observed) == (pytest.approx(0.195), 14 / 40)
    never, seen = by_name["Usage", "never seen"], by_name["Usage", "seen in usage"]
    assert (never.rows, never.companies, never.predicted) == (10, 5, pytest.approx(0.045))
    assert (seen.rows, seen.companies) == (50, 25)
    rows = panel.seen
    assert seen.roc_auc is not None
    assert seen.roc_auc.value == pytest.approx(roc_auc_score(panel.label[rows], probability[rows]))
    assert seen.average_precision is not None
    assert seen.average_precision.value == pytest.approx(
        average_precision_score(panel.label[rows], probability[rows])
    )


def test_a_segment_in_which_all_convert_has_no_figure() -> None:
    every = panel_of(["farming"] * 20, [True] * 20)
    found = segments(every, np.linspace(0, 1, 20), SPEC, resamples=2, confidence=0.95, seed=1)
    assert {one.roc_auc for one in found} == {None}


def test_the_interval_of_a_segment_is_that_of_students_t_with_its_converters() -> None:
    labels = [True] * LEAST_POSITIVES + [False] * 60
    panel, score = panel_of(["farming"] * len(labels), labels), np.random.default_rng(3).random(len(labels))
    asked = {"resamples": 200, "confidence": 0.9, "seed": 1}
    found = next(
        one for one in segments(panel, score, SPEC, **asked) if one.kind == "Industry"
    ).average_precision
    whole = Outcomes(score, panel.label, panel.cutoff, panel.company)

    def metrics(weights: Weights) -> dict[str, Values]:
        return {"found": CumulatedRanking.build(score, panel.label, weights).average_precision()}

    assert found == estimate(metrics, whole.company, label=whole.label, **asked)["found"]


@pytest.mark.parametrize(("conversions", "judged"), [(LEAST_POSITIVES - 1, False), (LEAST_POSITIVES, True)])
def test_a_segment_is_judged_from_ten_conversions_on(conversions: int, judged: bool) -> None:
    assert LEAST_POSITIVES == 10
    panel = panel_of(["x"] * 40, [at < conversions for at in range(40)])
    found = segments(panel, np.linspace(0, 1, 40), SPEC, resamples=3, confidence=0.95, seed=1)
    (one,) = (each for each in found if each.name == "x")
    assert (one.roc_auc is not None) == (one.average_precision is not None) == judged


def test_flags_and_ordered_levels_are_segments_by_what_they_say() -> None:
    nan = float("nan")
    flag = replace(SPEC.form.attributes[0], kind="flag", feature="trial", label="on a trial")
    plan = replace(flag, kind="ordered", feature="plan", label="plan", levels=("free", "team", "firm"))
    form = replace(SPEC.form, attributes=(flag, plan))
    frame = pd.DataFrame(
        {"trial": np.array([1, 1, 1, 0, nan], np.float32), "plan": np.array([0, 1, 1, nan, nan], np.float32)}
    )
    nothing = np.zeros(5, np.int32)
    panel = Panel(
        Rows.of(frame), np.arange(5, dtype=np.int32), nothing, np.zeros(5, bool), np.ones(5, bool), {}
    )
    found = segments(panel, np.zeros(5), replace(SPEC, form=form), resamples=2, confidence=0.95, seed=1)
    rows = {(one.kind, one.name): one.rows for one in found if one.kind != "Usage"}
    assert rows == {
        ("On a trial", "yes"): 3, ("On a trial", "no"): 1, ("On a trial", "not known"): 1,
        ("Plan", "free"): 1, ("Plan", "team"): 2, ("Plan", "not known"): 2,
    }  # fmt: skip
