"""The sections about companies: for which kinds the model works, what it relies on, and examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.metrics.segments import LEAST_POSITIVES
from ml_sys.report import charts
from ml_sys.report.numbers import number, percent, spread
from ml_sys.report.page import Figure, Section, Story, Table
from ml_sys.text import date_of

if TYPE_CHECKING:
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.report.evidence import Evidence
    from ml_sys.report.examples import Example


_SHOWN_FEATURES = 15


def who(evidence: Evidence) -> Section:
    """Show how the model does by kind of company."""
    entity = evidence.words.entity
    table = Table(
        f"By kind of {entity.one}",
        ("kind", entity.many, "conversions", "predicted", "observed", "ROC-AUC", "average precision"),
        tuple(
            (
                f"{one.kind}: {one.name}",
                f"{one.companies:,}",
                f"{one.conversions:,}",
                percent(one.predicted, 2),
                percent(one.observed, 2),
                _or_too_few(one.roc_auc),
                _or_too_few(one.average_precision),
            )
            for one in evidence.segments
        ),
    )
    title, told = f"ROC-AUC by kind of {entity.one}", "A dot and its interval; 0.5 is chance, 1 is perfect."
    points = [
        {
            "name": f"{one.name} ({one.kind.lower()})",
            "y": one.roc_auc.value,
            "low": one.roc_auc.low,
            "high": one.roc_auc.high,
        }
        for one in evidence.segments
        if one.roc_auc is not None
    ]
    figures = (
        (
            Figure(
                title,
                told,
                charts.intervals(points, x="ROC-AUC", key="segments", title=title, text=told),
                table,
            ),
        )
        if points
        else ()
    )
    return Section(
        "segments",
        "For whom does it work?",
        (f"Kinds with fewer than {LEAST_POSITIVES} conversions are too small for a figure.",),
        figures=figures,
        tables=() if points else (table,),
    )


def why(evidence: Evidence) -> Section:
    """Show what the model relies on."""
    found, entities = evidence.reliance, evidence.words.entity.many
    compiled = bool(found.features) and found.features[0].gain is not None
    figures = []
    for title, ones, told_of, key in (
        ("What each group of features adds", found.groups, found.groups, "groups"),
        ("Single features", found.features[:_SHOWN_FEATURES], found.features, "features"),
    ):
        told = f"Average precision lost when values are shuffled between the {entities} of a day."
        points = [
            {"name": one.name, "y": one.drop, "low": one.drop - one.spread, "high": one.drop + one.spread}
            for one in ones
        ]
        rows = tuple(
            (
                one.name,
                f"{number(one.drop, 4)} ± {number(one.spread, 4)}",
                percent(one.gain),
                number(one.shap, 4),
                *([one.group] if key == "features" else []),
            )
            for one in told_of
        )
        head = {
            "groups": ("group", "lost when shuffled", "share of gain", "mean |SHAP|, added up"),
            "features": ("feature", "lost when shuffled", "share of gain", "mean |SHAP|", "group"),
        }[key]
        table = Table(title, head, rows)
        svg = charts.bars(points, x="average precision lost", key=key, title=title, text=told)
        figures.append(Figure(title, told, svg, table))
    notes = [
        "Features that say almost the same can replace each other, so each alone may look dispensable. "
        "Shuffling shows what the holdout would miss, gain what the fit found useful, SHAP what moves "
        "individual probabilities. Thin lines span one standard deviation of the shufflings on either side."
    ]
    if not compiled:
        notes.append("This estimator gives neither gain nor exact reasons, so permutation alone is shown.")
    return Section(
        "why",
        "What does it rely on?",
        figures=tuple(figures),
        notes=tuple(notes),
    )


def stories(evidence: Evidence) -> tuple[Section, Section]:
    """Tell the best hits and the worst misses."""
    return (
        Section(
            "hits",
            "Highest-ranked converters",
            ("Converters of the holdout that stood highest in the list of their day.",)
            if evidence.reliance.hits
            else (f"No {evidence.words.entity.one} of the holdout converted.",),
            stories=tuple(map(_story, evidence.reliance.hits)),
        ),
        Section(
            "misses",
            "Lowest-ranked converters",
            (_unseen(evidence.reliance.misses),)
            if evidence.reliance.misses
            else ("There are none besides those above.",),
            stories=tuple(map(_story, evidence.reliance.misses)),
        ),
    )


def _unseen(misses: tuple[Example, ...]) -> str:
    unseen = sum(not one.seen for one in misses)
    if not unseen:
        return "Converters of the holdout that stood lowest in the list of their day."
    of_all = f"{unseen} of these {len(misses)} had no usage yet that could have given them away"
    return f"Lowest-ranked converters; {of_all}."


def _or_too_few(one: Estimate | None) -> str:
    return "too few conversions" if one is None else spread(one, 2)


def _story(one: Example) -> Story:
    unseen = "" if one.seen else " It had no usage by then."
    return Story(
        one.company,
        f"Place {one.rank:,} of {one.listed:,} on {date_of(one.cutoff)}, with a probability of "
        f"{percent(one.probability, 2)}.{unseen}",
        one.reasons,
    )
