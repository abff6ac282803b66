"""How a report writes numbers, and what it says in plain words."""

from __future__ import annotations

from math import floor, isfinite
from typing import TYPE_CHECKING, Any

from ml_sys.features.rules import MOST_USERS
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.promises import count_interval
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.report.evidence import Evidence

NONE = "–"
# Metrics in the order in which tables show them: name, how a person says it, decimals.
METRICS_SHOWN = (
    ("average_precision", "average precision", 3), ("roc_auc", "ROC-AUC", 3),
    ("precision_at_10", "precision at 10", 3), ("recall_at_10", "recall at 10", 3),
    ("precision_at_50", "precision at 50", 3), ("recall_at_50", "recall at 50", 3),
    ("recall_top_decile", "recall in the top tenth", 3), ("lift_top_decile", "lift in the top tenth", 1),
    ("calibration_error", "calibration error", 4), ("brier", "Brier score", 5),
    ("log_loss", "log loss", 4),
)  # fmt: skip
_CALLED = 50
_HALF_PERCENT = 0.005
# Below this, tenths are too coarse.
_LEAST_TENTHS = 0.15
# From a third too low to half too high, probabilities are close enough to multiply money by.
_CLOSE = (0.67, 1.5)


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as a percentage; a dash where there is none."""
    if share is None or not isfinite(share):
        return NONE
    return f"{share:.{digits}%}" if share >= _HALF_PERCENT or not share else f"{share:.{digits + 1}%}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many decimals; a dash where there is none."""
    return NONE if value is None or not isfinite(value) else f"{value:,.{digits}f}"


def spread(one: Estimate | None, digits: int = 3) -> str:
    """Return a number and its interval."""
    if one is None or not isfinite(one.value):
        return NONE
    value = number(one.value, digits)
    return (
        value if one.low == one.high else f"{value} ({number(one.low, digits)} to {number(one.high, digits)})"
    )


def percent_spread(one: Estimate | None, digits: int = 1) -> str:
    """Return a share and its interval as percentages."""
    if one is None or not isfinite(one.value):
        return NONE
    value = percent(one.value, digits)
    return (
        value
        if one.low == one.high
        else f"{value} ({percent(one.low, digits)} to {percent(one.high, digits)})"
    )


def text(value: Any) -> str:
    """Return a setting's value as people write it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: NONE}[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {text(one)}" for key, one in value.items()) or "none"
    return str(value) if value != "" else "empty"


def in_ten(share: float) -> str:
    """Return a share as people say it, such as "3 in 10"."""
    tenths = floor(share * 10 + 0.5)
    return f"{tenths} in 10" if share >= _LEAST_TENTHS and tenths < 10 else percent(share, 0)


def summary(evidence: Evidence) -> tuple[str, ...]:
    """Say in a few sentences what the holdout and the season of calls have shown."""
    held, model = evidence.holdout, evidence.evaluation[ALL][MODEL]
    rule = evidence.evaluation[ALL].get(MOST_USERS)
    lists = counted(len(held["cutoffs"]), "list")
    sentences = [evidence.headline] if evidence.headline else []
    sentences.append(_found(model, lists, evidence.horizon_days))
    lead = evidence.ranking.lead.get(MOST_USERS)
    if rule is not None and lead is not None and isfinite(lead.value):
        sentences.append(_beside_the_rule(model["average_precision"], rule["average_precision"], lead))
    sentences.append(_truth(model, evidence))
    return tuple(sentences)


def of_whole_lists(holdout: Mapping[str, Any]) -> str:
    """Say what a depth of a list stands for where only some companies are held out; empty otherwise."""
    share = holdout.get("share", 1.0)
    if share >= 1:
        return ""
    return (
        f"{percent(share, 0)} of each list are held out; depths are those of whole lists, so that the top "
        f"{_CALLED} are the first {_CALLED * share:.0f} of those held out."
    )


def of_sample(fit: Mapping[str, Any]) -> str:
    """Say how a panel was sampled that is too large to learn whole; empty where it was not."""
    one_in = fit.get("one_in", 1)
    if one_in == 1:
        return ""
    return (
        f"Learnt from a sample of {fit['sampled_rows']:,} of {fit['whole_rows']:,} rows: every conversion, "
        f"and one in {one_in:.1f} of the others, drawn by what the company looked like by then. Each of the "
        f"others counts {one_in:.1f} times, so that rates stay as they are."
    )


def chance_of(evidence: Evidence, metric: str) -> float:
    """Return what a random order gets."""
    return evidence.evaluation[ALL][RANDOM][metric].value


def _found(model: dict[str, Estimate], lists: str, horizon_days: int) -> str:
    recall, lift = model[f"recall_at_{_CALLED}"].value, model[f"lift_at_{_CALLED}"].value
    if not isfinite(recall):
        return "No company of the holdout converted."
    return (
        f"On {lists} that the model had not learnt from, calling the top {_CALLED} finds {in_ten(recall)} of "
        f"all conversions within {horizon_days} days, {number(lift, 0)} times as many as calling at random."
    )


def _beside_the_rule(ours: Estimate, theirs: Estimate, lead: Estimate) -> str:
    sure = (
        "beyond what chance explains"
        if lead.low > 0 or lead.high < 0
        else "but with so few conversions that may still be chance"
    )
    better = "better" if lead.value >= 0 else "worse"
    return (
        f"Its ranking is {better} than calling the companies with the {MOST_USERS}, {sure}: an average "
        f"precision of {number(ours.value)} against {number(theirs.value)}, a difference of {spread(lead)}."
    )


def _truth(model: dict[str, Estimate], evidence: Evidence) -> str:
    said, came = model["mean_probability"].value, model["conversion_rate"].value
    promised, positives = said * evidence.holdout["rows"], evidence.holdout["positives"]
    if not came:
        return f"Its probabilities promised {number(promised, 1)} conversions; none came."
    # A company counts once, at however many cutoffs it converts.
    converters = evidence.holdout["companies_converted"]
    low, high = (positives / converters * one for one in count_interval(converters, evidence.confidence))
    verdict = "no more apart than chance explains"
    if not low <= promised <= high:
        near = "close to" if _CLOSE[0] <= said / came <= _CLOSE[1] else "far from"
        verdict = f"taken together they are {near} the truth"
    companies = counted(converters, "company", "companies")
    return (
        f"Its probabilities promised {number(promised, 0)} conversions and {positives:,} came "
        f"(of {companies}): {verdict}."
    )
