"""What the page says of resampling and of other seeds."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ml_sys.experiments.resampling import CLASS_WEIGHT, NONE, SMOTE, Resampling, Variant
from ml_sys.experiments.reseeding import SeedSpread
from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.paired import Paired
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.evidence import Evidence, Past
from ml_sys.report.sections import fitting
from ml_sys.text import signed


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
        between = " to ".join(signed(one, 3, plus=True) for one in (low, high))
        assert f"0.250 against 0.200 without, difference +0.050 ({between})" in told


def known(**parts):
    model = {"calibration_error": Estimate(0.00123, 0.001, 0.002), "roc_auc": Estimate(0.81, 0.7, 0.9)}
    return SimpleNamespace(words=PLAIN_WORDS, confidence=0.9, evaluation={ALL: {MODEL: model}}, **parts)


def test_other_seeds_stand_beside_this_one_metric_by_metric():
    spreads = (SeedSpread.of("roc_auc", [0.5, 0.7, 0.9]), SeedSpread.of("calibration_error", [0.2, 0.2, 0.2]))
    section = fitting.seeds(known(seeds=spreads))
    (table,) = section.tables
    assert table.head[1] == "this one (90%)"
    assert table.rows[0][:3] == ("ROC-AUC", "0.810 (0.700 to 0.900)", "0.700")
    assert table.rows[0][4:] == ("0.500", "0.900")
    assert table.rows[1][1:] == ("0.00123 (0.00100 to 0.00200)", "0.200", "0.000", "0.200", "0.200")
    assert section.sentences[0].startswith("The model was fitted again with 3 other seeds ")


def test_what_was_not_asked_for_is_said_to_be_missing():
    assert "report.seeds is 0" in fitting.seeds(known(seeds=())).sentences[0]
    assert "report.resampling is off" in fitting.resampling(known(past=Past())).sentences[0]


def way(name, precision, low, high, *, chosen=False):
    difference = precision - 0.1
    against = Paired("average_precision", precision, 0.1, difference, low, high, 0.91, 0.09)
    return Variant(name, chosen, against, 0.8, 0.00123, 0.004, 0.02)


NOTHING = way(NONE, 0.1, 0.0, 0.0)


def shown(*variants):
    found = Resampling(variants, 3000, 40, 25)
    return fitting.resampling(known(past=Past(resampling=found)))


def test_ways_to_treat_the_imbalance_stand_side_by_side_with_the_chosen_one_marked():
    section = shown(NOTHING, way(SMOTE, 0.15, -0.01, 0.07, chosen=True))
    (table,) = section.tables
    assert table.rows == (
        ("none", "0.100", "–", "–", "0.800", "0.00123", "0.400%", "2.00%"),
        (SMOTE, "0.150", "+0.050 (−0.010 to +0.070)", "91%", "0.800", "0.00123", "0.400%", "2.00%"),
    )
    assert (table.marked, table.head[2]) == (1, "against none (90%)")
    assert section.sentences[1].startswith(
        "Judged on the 3,000 rows of the training part with their 40 conversions of 25 companies, each row"
    )
    assert shown(NOTHING).tables[0].marked is None


def test_the_verdict_is_on_the_chosen_one_and_names_a_better_one():
    weight = way(CLASS_WEIGHT, 0.12, 0.01, 0.03, chosen=True)
    smote = way(SMOTE, 0.15, 0.01, 0.09)
    told = shown(NOTHING, weight, smote).sentences[0]
    assert told.startswith("The class weight earned its place: ")
    assert told.endswith(f" Most precise on these rows: {SMOTE}, 0.150.")
    assert "Most precise" not in shown(way(NONE, 0.2, 0, 0), weight).sentences[0]
    off = shown(way(NONE, 0.1, 0.0, 0.0, chosen=True), smote).sentences[0]
    assert off.startswith("Resampling is off; the table shows what it would have done. Most precise")
