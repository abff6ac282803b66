"""What the page says of resampling and of other seeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_sys.experiments.resampling import CLASS_WEIGHT, NONE, SMOTE, Resampling, Variant
from ml_sys.metrics.paired import Paired
from ml_sys.report.evidence import Evidence, Past
from ml_sys.report.sections import fitting


def variant(name: str, value: float, low: float, high: float, *, chosen: bool = False) -> Variant:
    paired = Paired("average_precision", value, 0.1, value - 0.1, low, high, 0.5, 0.5)
    return Variant(name, chosen, paired, 0.8, 0.001, 0.003, 0.003)


def said(evidence: Evidence, *variants: Variant) -> str:
    found = Resampling(variants, 1000, 30, 20)
    return fitting.resampling(replace(evidence, past=Past(resampling=found))).sentences[0]


@pytest.mark.parametrize(
    ("low", "high", "begins"),
    [
        (0.01, 0.03, "Resampling earned its place: average precision 0.120 against 0.100 without, "
         "difference +0.020 (+0.010 to +0.030)."),
        (-0.03, -0.01, "Resampling did harm"),
        (-0.01, 0.03, "Resampling is not shown to help or to harm"),
    ],
)  # fmt: skip
def test_what_is_said_of_resampling_follows_the_interval(
    evidence: Evidence, low: float, high: float, begins: str
) -> None:
    none, chosen = variant(NONE, 0.1, 0, 0), variant(SMOTE, 0.12, low, high, chosen=True)
    assert said(evidence, none, chosen).startswith(begins)


def test_a_class_weight_is_named_and_so_is_what_is_more_precise(evidence: Evidence) -> None:
    none, weight = variant(NONE, 0.1, 0, 0), variant(CLASS_WEIGHT, 0.08, -0.03, -0.01, chosen=True)
    found = said(evidence, none, weight, variant(SMOTE, 0.12, -0.01, 0.03))
    assert found.startswith("The class weight did harm")
    assert found.endswith("Most precise on these rows: SMOTENC, 0.120.")


def test_where_no_resampling_is_asked_for_that_is_said(evidence: Evidence) -> None:
    none = variant(NONE, 0.1, 0, 0, chosen=True)
    assert said(evidence, none, variant(SMOTE, 0.05, -0.1, 0)) == (
        "Resampling is off; the table shows what it would have done."
    )


@pytest.mark.parametrize(
    ("name", "low", "high", "begins"),
    [
        (SMOTE, 0.001, 0.1, "Resampling earned its place: "),
        (SMOTE, 0.0, 0.1, "Resampling is not shown to help or to harm: "),
        (SMOTE, -0.1, 0.0, "Resampling is not shown to help or to harm: "),
        (SMOTE, -0.1, -0.001, "Resampling did harm: "),
        (CLASS_WEIGHT, -0.1, -0.001, "The class weight did harm: "),
        (NONE, 0.0, 0.0, "Resampling is off"),
    ],
)
def test_the_edges_of_an_interval_are_not_beyond_it(
    evidence: Evidence, name: str, low: float, high: float, begins: str
) -> None:
    paired = Paired("average_precision", 0.25, 0.2, 0.05, low, high, 0.9, 0.1)
    told = said(evidence, Variant(name, True, paired, 0.8, 0.01, 0.02, 0.03))
    assert told.startswith(begins)
    if name != NONE:
        assert f"0.250 against 0.200 without, difference +0.050 ({low:+.3f} to {high:+.3f})" in told
