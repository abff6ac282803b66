"""Leak canaries: checks that a model passes if it knows only the past.

A failed canary means that the model knows something it cannot know on the day it is used. A warning is for
people to read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.features.attributes import blanks
from ml_sys.leaks import canary
from ml_sys.leaks.blind_models import id_rankings, shuffled_ranking
from ml_sys.leaks.canary import Canary
from ml_sys.leaks.lookahead import first_change
from ml_sys.leaks.separation import column_separations, two_shares_p_value
from ml_sys.leaks.steadiness import last_windows
from ml_sys.metrics.paired import chance_p_value
from ml_sys.metrics.ranking import ranking_metrics
from ml_sys.model.split import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.inputs import Inputs
    from ml_sys.features.panel import Panel
    from ml_sys.leaks.blind_models import Split
    from ml_sys.leaks.canary import Figures, Status
    from ml_sys.leaks.separation import Separation
    from ml_sys.metrics.ranking import Outcomes
    from ml_sys.model.split import Source, TrainingPart
    from ml_sys.settings import CanarySettings, Settings

# What chance brings about less often than this is not put down to chance.
CHANCE = 0.001
MIN_POSITIVES = 10
ID = "id"

_PERMUTATIONS = 4999
_HOLDOUT_CUTOFFS = 6
_CLEAR_RATIO = 1.5
_COLLAPSED = 0.5


def run_canaries(
    source: Source,
    spec: FeatureSpec,
    settings: Settings,
    part: TrainingPart,
    holdout: Panel,
    *,
    cut: Split = split,
) -> tuple[Canary, ...]:
    """Run every canary.

    Parameters
    ----------
    part : TrainingPart
        What a model was fitted to.
    holdout : Panel
        What it was judged on.
    cut : callable
        What cut ``source`` into the two.

    Returns
    -------
    tuple of Canary
        The same for the same arguments.
    """
    seed, limits = settings.seed, settings.canary
    by_id = id_rankings(source.ids, part.train, holdout, seed=seed, threads=settings.threads)
    found = (
        label_windows_apart(part, holdout, settings.label.horizon_days),
        labels_shuffled(shuffled_ranking(source, spec, settings, cut), seed),
        ids_alone(by_id, limits, seed),
        later_usage_deleted(source.inputs, spec, part.train, holdout),
        single_columns(part.validation, spec, limits, source.inputs.since),
        blank_attributes(source, counts_as_feature=spec.attribute_missingness),
        conversions_go_on(source.closed, part, holdout, settings.label.horizon_days, source.inputs.since),
    )
    return tuple(replace(one, words=spec.form.words) for one in found)


def label_windows_apart(part: TrainingPart, holdout: Panel, horizon_days: int) -> Canary:
    """Check that training rows reveal no outcome from the days on which their company is evaluated."""
    panels = (part.train, part.validation)
    size = 1 + max(int(panel.company.max(initial=-1)) for panel in (*panels, holdout))
    told, judged = np.full(size, np.iinfo(np.int32).min), np.full(size, np.iinfo(np.int32).max)
    for panel in panels:
        np.maximum.at(told, panel.company, panel.cutoff + horizon_days)
    np.minimum.at(judged, holdout.company, holdout.cutoff)
    overlap = (told - judged)[told > judged]
    companies, days = overlap.size, int(overlap.max(initial=0))
    status: Status = "failed" if companies else "passed"
    return Canary(canary.WINDOWS, status, {"companies": companies, "days": days})


def labels_shuffled(ranked: Outcomes | None, seed: int) -> Canary:
    """Check that a ranking learned from shuffled labels is no better than chance."""
    if ranked is None:
        return _not_judged(canary.SHUFFLED, canary.NO_SHUFFLE)
    figures = _against_chance(ranked, seed)
    return Canary(canary.SHUFFLED, "failed" if figures["p_value"] < CHANCE else "passed", figures)


def ids_alone(rankings: Sequence[Outcomes], limits: CanarySettings, seed: int) -> Canary:
    """Check whether the order of the ids alone reveals who converts."""
    if not rankings:
        return _not_judged(canary.IDS, canary.FEW_CONVERSIONS)
    figures = _against_chance(max(rankings, key=_roc_auc), seed, tries=len(rankings))
    if figures["p_value"] >= CHANCE:
        return Canary(canary.IDS, "passed", figures)
    gives_away = _near_perfect(figures["roc_auc"], figures["average_precision"], figures["rate"], limits)
    return Canary(canary.IDS, "failed" if gives_away and ID not in limits.allowed else "warned", figures)


def later_usage_deleted(inputs: Inputs, spec: FeatureSpec, train: Panel, holdout: Panel) -> Canary:
    """Check that features stay the same, bit for bit, when usage completed after the cutoff is removed."""
    checks = [(train, cutoff) for cutoff in _spread(train.cutoff, 2)]
    checks += [(holdout, cutoff) for cutoff in _spread(holdout.cutoff, _HOLDOUT_CUTOFFS)]
    change = first_change(inputs, spec, checks)
    if change is None:
        return Canary(canary.LATER, "passed", {"cutoffs": len(checks)})
    day = str(np.datetime64(change.cutoff, "D"))
    figures: Figures = {"feature": change.feature, "cutoff": day, "companies": change.companies}
    return Canary(canary.LATER, "failed", figures)


def single_columns(
    train: Panel, spec: FeatureSpec, limits: CanarySettings, since: NDArray[np.int32] | None = None
) -> Canary:
    """Check whether one feature alone separates converters from the others almost perfectly.

    Usage that does is judged among companies of the same age: those that have been free for years are told
    from those that convert in their first days by any feature that follows age. Needs a panel with every
    training row: among few rows, honest features come close to perfect.
    """
    companies, converters = (np.unique(one).size for one in (train.company, train.company[train.label]))
    if not MIN_POSITIVES <= converters < companies:
        return _not_judged(
            canary.COLUMNS,
            canary.FEW_CONVERTERS,
            converters=converters,
            companies=companies,
            needed=MIN_POSITIVES,
        )
    every = column_separations(train, spec, since, above=limits.max_column_auc)
    caught = [one for one in every if _near_perfect(one.roc_auc, one.average_precision, one.rate, limits)]
    leaks = [one for one in caught if one.column not in limits.allowed]
    best = max(every, key=lambda one: one.roc_auc), max(every, key=lambda one: one.average_precision)
    status: Status = "failed" if leaks else "warned" if caught else "passed"
    figures: Figures = {
        "highest_roc_auc": best[0].roc_auc,
        "highest_roc_auc_of": best[0].column,
        "highest_average_precision": best[1].average_precision,
        "highest_average_precision_of": best[1].column,
        "near_perfect": ", ".join(one.column for one in caught),
        "columns": _named(leaks or caught or best[:1]),
    }
    return Canary(canary.COLUMNS, status, figures)


def blank_attributes(source: Source, *, counts_as_feature: bool) -> Canary:
    """Check whether the attributes of those that converted are blank as often as everyone else's."""
    known, customer = source.inputs.attributes, source.closed != NEVER_CLOSED
    if not 0 < customer.sum() < customer.size:
        return _not_judged(canary.BLANKS, canary.ONE_KIND)
    if not known.described:
        return _not_judged(canary.BLANKS, canary.NO_ATTRIBUTES)
    figures: Figures = {}
    telling = []
    for attribute, values in zip(known.described, known.columns, strict=True):
        column, blank = attribute.name, blanks(values)
        ours, theirs = float(blank[customer].mean()), float(blank[~customer].mean())
        p_value = two_shares_p_value(blank, customer)
        figures |= {f"{column}_customers": ours, f"{column}_others": theirs, f"{column}_p_value": p_value}
        if p_value < CHANCE and max(ours, theirs) > _CLEAR_RATIO * min(ours, theirs):
            telling.append(column)
    shown = [one.name for one in known.described if counts_as_feature or not one.blank_leaks]
    features = "all" if len(shown) == len(known.described) else ", ".join(shown)
    figures |= {"telling": telling, "features": features}
    return Canary(canary.BLANKS, "warned" if telling else "passed", figures)


def conversions_go_on(
    closed: NDArray[np.int32],
    part: TrainingPart,
    holdout: Panel,
    horizon_days: int,
    since: NDArray[np.int32] | None = None,
) -> Canary:
    """Check that companies convert after the last cutoffs as often as after earlier ones.

    Where companies of an age convert at a steady rate it fails less than once in a thousand times (`CHANCE`),
    however many convert.
    """
    first, last = min(int(panel.cutoff.min()) for panel in (part.train, holdout)), int(holdout.cutoff.max())
    look = last_windows(closed, first, last, horizon_days, since)
    if look is None:
        return _not_judged(canary.END, canary.NOBODY)
    figures: Figures = {
        "days": look.windows * horizon_days,
        "conversions": look.conversions,
        "expected": look.expected,
        "p_value": look.p_value,
    }
    if look.p_value < CHANCE and look.conversions < _COLLAPSED * look.expected:
        known = int(closed[closed < last + horizon_days].max())
        return Canary(canary.END, "failed", {**figures, "last_conversion": str(np.datetime64(known, "D"))})
    if look.least_p_value >= CHANCE:
        return _not_judged(canary.END, canary.NO_END, **figures)
    return Canary(canary.END, "passed", figures)


def _against_chance(ranked: Outcomes, seed: int, *, tries: int = 1) -> Figures:
    """Compare a ranking, the best of so many, with chance."""
    metrics = ranking_metrics(ranked, np.ones((1, ranked.score.size)))
    precision, auc = (float(metrics[name][0]) for name in ("average_precision", "roc_auc"))
    rate = float(ranked.label.mean())
    p_value = min(1.0, tries * chance_p_value(ranked, permutations=_PERMUTATIONS, seed=seed))
    return {"average_precision": precision, "rate": rate, "roc_auc": auc, "p_value": p_value}


def _roc_auc(ranked: Outcomes) -> float:
    return float(ranking_metrics(ranked, np.ones((1, ranked.score.size)))["roc_auc"][0])


def _near_perfect(roc_auc: float, average_precision: float, rate: float, limits: CanarySettings) -> bool:
    # Average precision counts from that of chance, which is the rate: where half convert, it says nothing.
    highest = rate + limits.max_column_precision * (1 - rate)
    return roc_auc > limits.max_column_auc or average_precision > highest


def _spread(cutoffs: NDArray[np.int32], at_most: int) -> list[int]:
    """Choose evenly spaced cutoffs, including the first and the last."""
    known = np.unique(cutoffs)
    chosen = np.unique(np.linspace(0, known.size - 1, min(at_most, known.size)).round().astype(int))
    return [int(cutoff) for cutoff in known[chosen]]


def _named(separations: Iterable[Separation]) -> list[Figures]:
    return [
        {"column": one.column, "roc_auc": one.roc_auc, "average_precision": one.average_precision}
        for one in separations
    ]


def _not_judged(name: str, why: str, **figures: Any) -> Canary:
    return Canary(name, "warned", {"not_judged": why, **figures})
