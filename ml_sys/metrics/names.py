"""How each metric is named and shown: one entry, used by the page, the card, the terminal and the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ranking", "probability", "count"]


@dataclass(frozen=True)
class Metric:
    """How a metric is named and shown.

    Attributes
    ----------
    label : str
    kind : {"ranking", "probability", "count"}
        Whether it needs only the order of the rows, or probabilities; counts have a table of their own.
    digits : int
        Decimals.
    short : str
        Heading of a narrow column; the label where empty.
    better : {"higher", "lower", ""}
        Empty where neither is.
    reported : bool
        Whether the page and the card show it; the terminal shows every one.
    """

    label: str
    kind: Kind
    digits: int = 3
    short: str = ""
    better: Literal["higher", "lower", ""] = "higher"
    reported: bool = False


# In the order in which tables show them.
METRICS: dict[str, Metric] = {
    "average_precision": Metric("average precision", "ranking", short="AP", reported=True),
    "roc_auc": Metric("ROC-AUC", "ranking", reported=True),
    "precision_at_10": Metric("precision at 10", "ranking", short="P@10", reported=True),
    "recall_at_10": Metric("recall at 10", "ranking", reported=True),
    "lift_at_10": Metric("lift at 10", "ranking", 1),
    "precision_at_50": Metric("precision at 50", "ranking", reported=True),
    "recall_at_50": Metric("recall at 50", "ranking", reported=True),
    "lift_at_50": Metric("lift at 50", "ranking", 1),
    "precision_top_decile": Metric("precision in the top tenth", "ranking", 4),
    "recall_top_decile": Metric("recall in the top tenth", "ranking", reported=True),
    "lift_top_decile": Metric("lift in the top tenth", "ranking", 1, reported=True),
    "precision": Metric("precision", "probability"),
    "recall": Metric("recall", "probability"),
    "f1": Metric("F1", "probability"),
    "accuracy": Metric("accuracy", "probability", 4),
    "calibration_error": Metric("calibration error", "probability", 5, better="lower", reported=True),
    "brier": Metric("Brier score", "probability", 5, better="lower", reported=True),
    "log_loss": Metric("log loss", "probability", 5, better="lower", reported=True),
    "mean_probability": Metric("mean probability", "probability", 5, better=""),
    "conversion_rate": Metric("conversion rate", "probability", 5, better=""),
    "true_positives": Metric("true positives", "count", 0, better=""),
    "false_positives": Metric("false positives", "count", 0, better=""),
    "false_negatives": Metric("false negatives", "count", 0, better=""),
    "true_negatives": Metric("true negatives", "count", 0, better=""),
}
REPORTED = {key: one for key, one in METRICS.items() if one.reported}
# What stands beside a version in a list of versions.
HEADLINE = ("average_precision", "roc_auc", "precision_at_10", "calibration_error")


def named(key: str) -> Metric:
    """Return a metric's entry; a metric of another release gets its key as the label."""
    return METRICS.get(key) or Metric(key.replace("_", " "), "probability", 4, better="")


def label(key: str) -> str:
    """Return a metric's label."""
    return named(key).label


def heading(key: str) -> str:
    """Return a metric's heading for a narrow column."""
    one = named(key)
    return one.short or one.label
