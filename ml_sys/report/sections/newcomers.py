"""The section about entities that have only just begun: a population of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.features.rules import SIGN_UP_DAYS
from ml_sys.metrics.holdout import SIGN_UPS
from ml_sys.metrics.names import label, named
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report.numbers import number, percent, spread
from ml_sys.report.page import Section, Table
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.experiments.backtest import Backtest
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.report.evidence import Evidence

_SHOWN = ("average_precision", "roc_auc", "precision_at_10", "recall_at_10", "lift_at_10")


def sign_ups(evidence: Evidence) -> tuple[Section, ...]:
    """Show how well new sign-ups are ranked; nothing if the tables do not say who they are."""
    rankers = evidence.evaluation.get(SIGN_UPS)
    if rankers is None:
        return ()
    entity, back = evidence.words.entity, evidence.past.backtest
    rows, paid = _counts(rankers[MODEL])
    every = evidence.holdout["positives"]
    tables = [_populations(evidence), _by_ranker(rankers)]
    if back is not None and SIGN_UPS in back.mean:
        tables.append(_past(back))
    return (
        Section(
            "sign-ups",
            "How well are new sign-ups ranked?",
            (
                f"{entity.many[:1].upper()}{entity.many[1:]} that began in the {SIGN_UP_DAYS} days before a "
                "list have little usage to go by, and often decide quickly. They are a population of their "
                f"own: {counted(rows, 'row')} of the holdout with {counted(paid, 'conversion')}"
                + (f", {percent(paid / every, 0)} of all {every:,}" if every else "")
                + ".",
            ),
            tables=tuple(tables),
        ),
    )


def _populations(evidence: Evidence) -> Table:
    rows = []
    for population, rankers in evidence.evaluation.items():
        model = rankers[MODEL]
        n_rows, paid = _counts(model)
        rows.append(
            (
                population,
                f"{n_rows:,}",
                f"{paid:,}",
                percent(model["conversion_rate"].value, 2),
                *(spread(model[key], named(key).digits) for key in ("average_precision", "lift_at_10")),
            )
        )
    head = ("population", "rows", "conversions", "rate", label("average_precision"), label("lift_at_10"))
    return Table("The model on the holdout, by population", head, tuple(rows))


def _by_ranker(rankers: Mapping[str, Mapping[str, Estimate]]) -> Table:
    names = list(rankers)
    rows = tuple(
        (name, *(spread(metrics.get(key), named(key).digits) for key in _SHOWN))
        for name, metrics in rankers.items()
    )
    return Table(f"Holdout, {SIGN_UPS}", ("ranked by", *map(label, _SHOWN)), rows, marked=names.index(MODEL))


def _past(back: Backtest) -> Table:
    names, means, sure = list(back.mean[SIGN_UPS]), back.mean[SIGN_UPS], back.intervals[SIGN_UPS]
    rows = tuple(
        (
            name,
            *(
                number(means[name][key], named(key).digits)
                if name == RANDOM or key not in sure[name]
                else spread(sure[name][key], named(key).digits)
                for key in _SHOWN
            ),
        )
        for name in names
    )
    lists = [one for one in back.cutoffs if one.prospects[SIGN_UPS]]
    paid = sum(one.conversions[SIGN_UPS] for one in lists)
    caption = (
        f"Means over {counted(len(lists), 'past list')}, {SIGN_UPS}: "
        f"{sum(one.prospects[SIGN_UPS] for one in lists):,} in all, {counted(paid, 'conversion')}"
    )
    return Table(caption, ("ranked by", *map(label, _SHOWN)), rows, marked=names.index(MODEL))


def _counts(model: Mapping[str, Estimate]) -> tuple[int, int]:
    """Return how many rows and conversions metrics are of."""
    paid = model["true_positives"].value + model["false_negatives"].value
    return round(paid + model["false_positives"].value + model["true_negatives"].value), round(paid)
