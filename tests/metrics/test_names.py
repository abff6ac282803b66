"""Every metric has one entry, which says what it is called and how it is shown."""

from __future__ import annotations

import numpy as np

from ml_sys.metrics.calibration import probability_metrics
from ml_sys.metrics.names import HEADLINE, METRICS, REPORTED, heading, label, named
from ml_sys.metrics.ranking import Outcomes, ranking_metrics

ROWS = Outcomes(
    np.array([0.9, 0.1]), np.array([True, False]), np.zeros(2, np.int32), np.arange(2, dtype=np.int32)
)


def test_every_metric_that_is_computed_has_an_entry_and_no_other_has_one() -> None:
    ranking = ranking_metrics(ROWS, ROWS.once())
    probability = probability_metrics(ROWS, ROWS.once(), threshold=0.5)
    assert {key for key, one in METRICS.items() if one.kind == "ranking"} == set(ranking)
    assert {key for key, one in METRICS.items() if one.kind != "ranking"} == set(probability)


def test_no_two_metrics_share_a_label_and_every_one_is_in_words() -> None:
    labels = [one.label for one in METRICS.values()]
    assert len(set(labels)) == len(labels)
    assert not any("_" in one for one in labels)
    assert label("calibration_error") == "calibration error"


def test_a_heading_is_the_label_unless_there_is_a_shorter_one() -> None:
    assert [heading(key) for key in HEADLINE] == ["AP", "ROC-AUC", "P@10", "calibration error"]
    assert set(HEADLINE) <= set(REPORTED)


def test_a_metric_of_another_release_is_called_by_its_key() -> None:
    assert named("recall_at_200").label == "recall at 200"
    assert named("recall_at_200").better == ""
    assert (named("recall_at_200").kind, named("recall_at_200").digits) == ("probability", 4)


def test_each_metric_is_shown_with_its_digits_and_the_side_on_which_it_is_better() -> None:
    lower = {key for key, one in METRICS.items() if one.better == "lower"}
    assert lower == {"calibration_error", "brier", "log_loss"}
    neither = {key for key, one in METRICS.items() if one.better == ""}
    counts = {"true_positives", "false_positives", "false_negatives", "true_negatives"}
    assert neither == {"mean_probability", "conversion_rate", *counts}
    digits = {0: counts, 1: {key for key in METRICS if key.startswith("lift")}, 5: lower | (neither - counts)}
    for key, one in METRICS.items():
        own = next((number for number, keys in digits.items() if key in keys), None)
        assert one.digits == (
            own if own is not None else 4 if key in {"accuracy", "precision_top_decile"} else 3
        )


def test_the_report_shows_what_a_reader_decides_by() -> None:
    depths = [f"{kind}_at_{depth}" for depth in (10, 50) for kind in ("precision", "recall")]
    tenth = ["recall_top_decile", "lift_top_decile"]
    assert set(REPORTED) == {
        "average_precision", "roc_auc", *depths, *tenth, "calibration_error", "brier", "log_loss",
    }  # fmt: skip
