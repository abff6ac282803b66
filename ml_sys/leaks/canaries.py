"""Leak canaries: small experiments that a model which knows the past alone comes through.

A canary that failed says that the model knows something it cannot know on the day it is used. One that warned
is for people to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.leaks.blind_models import id_rankings, shuffled_ranking
from ml_sys.leaks.lookahead import first_change
from ml_sys.leaks.separation import column_separations, two_shares_p_value
from ml_sys.leaks.steadiness import last_windows
from ml_sys.metrics.paired import chance_p_value
from ml_sys.metrics.ranking import ranking_metrics
from ml_sys.model.split import split
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureInputs, FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.leaks.blind_models import Split
    from ml_sys.leaks.separation import Separation
    from ml_sys.metrics.ranking import Outcomes
    from ml_sys.model.split import Part, Source
    from ml_sys.settings import CanarySettings, Settings

# What chance brings about less often than this is not put down to chance.
CHANCE = 0.001
MIN_POSITIVES = 10
ID = "id"

_PERMUTATIONS = 4999
_HOLDOUT_CUTOFFS = 6
_CLEAR_RATIO = 1.5
_COLLAPSED = 0.5
_ALLOW = "name {} in canary.allowed if you know why"

Figures = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Canary:
    """What one canary found.

    Attributes
    ----------
    status : {"passed", "warned", "failed"}
    found : str
        One sentence for people.
    figures : dict
        What the sentence rests on; no number is infinite or NaN.
    """

    name: str
    status: Literal["passed", "warned", "failed"]
    found: str
    figures: Figures


def run_canaries(
    source: Source, spec: FeatureSpec, settings: Settings, part: Part, holdout: Panel, *, cut: Split = split
) -> tuple[Canary, ...]:
    """Run every canary.

    Parameters
    ----------
    part : Part
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
    return (
        label_windows_apart(part, holdout, settings.label.horizon_days),
        labels_shuffled(shuffled_ranking(source, spec, settings, cut), seed),
        ids_alone(by_id, limits, seed),
        later_usage_deleted(source.inputs, spec, part.train, holdout),
        single_columns(part.validation, spec, limits),
        blank_firmographics(source, counts_as_feature=spec.firmographic_missingness),
        conversions_go_on(source.closed, part, holdout, settings.label.horizon_days),
    )


def label_windows_apart(part: Part, holdout: Panel, horizon_days: int) -> Canary:
    """Ask whether all that training rows tell of a company's closing lies before it is judged."""
    name = "label windows apart"
    panels = (part.train, part.validation)
    size = 1 + max(int(panel.company.max(initial=-1)) for panel in (*panels, holdout))
    told, judged = np.full(size, np.iinfo(np.int32).min), np.full(size, np.iinfo(np.int32).max)
    for panel in panels:
        np.maximum.at(told, panel.company, panel.cutoff + horizon_days)
    np.minimum.at(judged, holdout.company, holdout.cutoff)
    overlap = (told - judged)[told > judged]
    companies, days = overlap.size, int(overlap.max(initial=0))
    figures: Figures = {"companies": companies, "days": days}
    if not companies:
        return Canary(
            name, "passed", "Training rows tell of no day on which their company is judged.", figures
        )
    found = f"Training rows tell of up to {days} of the days on which {companies:,} companies are judged."
    return Canary(name, "failed", found, figures)


def labels_shuffled(ranked: Outcomes | None, seed: int) -> Canary:
    """Ask whether a ranking learnt from labels that mean nothing is as good as chance, no better."""
    name = "labels shuffled"
    if ranked is None:
        return _not_judged(name, "no shuffle leaves conversions both to learn from and to judge by")
    told, figures = _against_chance(ranked, seed)
    if figures["p_value"] < CHANCE:
        found = f"A model that learns from shuffled labels beats chance, so it has seen the holdout: {told}."
        return Canary(name, "failed", found, {**figures})
    return Canary(name, "passed", f"Shuffled labels teach nothing: {told}.", {**figures})


def ids_alone(rankings: Sequence[Outcomes], limits: CanarySettings, seed: int) -> Canary:
    """Ask whether the order of the ids alone tells who converts."""
    name = "ids as the only feature"
    if not rankings:
        return _not_judged(name, "the training rows or the holdout have too few conversions")
    told, figures = _against_chance(max(rankings, key=_roc_auc), seed, tries=len(rankings))
    if figures["p_value"] >= CHANCE:
        return Canary(name, "passed", f"Ids do not tell who converts: {told}.", {**figures})
    gives_away = _near_perfect(figures["roc_auc"], figures["average_precision"], figures["rate"], limits)
    if gives_away and ID not in limits.allowed:
        found = f"Ids give the label away: {told}; renumber them, or {_ALLOW.format(repr(ID))}."
        return Canary(name, "failed", found, {**figures})
    found = f"Ids carry information, such as the order of signing up; mlsys never uses them: {told}."
    return Canary(name, "warned", found, {**figures})


def later_usage_deleted(inputs: FeatureInputs, spec: FeatureSpec, train: Panel, holdout: Panel) -> Canary:
    """Ask whether features stay the same, bit for bit, without usage complete only after the cutoff."""
    name = "later usage deleted"
    checks = [(train, cutoff) for cutoff in _spread(train.cutoff, 2)]
    checks += [(holdout, cutoff) for cutoff in _spread(holdout.cutoff, _HOLDOUT_CUTOFFS)]
    for panel, cutoff in checks:
        change = first_change(inputs, spec, panel, cutoff)
        if change is not None:
            day = str(np.datetime64(cutoff, "D"))
            figures: Figures = {"feature": change.feature, "cutoff": day, "companies": change.companies}
            found = (
                f"{change.feature} at {day} looks ahead: {change.companies:,} values depend on later usage."
            )
            return Canary(name, "failed", found, figures)
    found = f"Features of {len(checks)} cutoffs are the same, bit for bit, without later usage."
    return Canary(name, "passed", found, {"cutoffs": len(checks)})


def single_columns(train: Panel, spec: FeatureSpec, limits: CanarySettings) -> Canary:
    """Ask whether one feature alone tells converters from the others almost perfectly.

    Of a panel that holds every training row: among few rows, honest features come close to perfect.
    """
    name = "single columns"
    companies, converters = (np.unique(one).size for one in (train.company, train.company[train.label]))
    if not MIN_POSITIVES <= converters < companies:
        return _not_judged(name, f"{converters} of {companies} companies convert, {MIN_POSITIVES} are needed")
    every = column_separations(train, spec)
    caught = [one for one in every if _near_perfect(one.roc_auc, one.average_precision, one.rate, limits)]
    leaks = [one for one in caught if one.column not in limits.allowed]
    best = max(every, key=lambda one: one.roc_auc), max(every, key=lambda one: one.average_precision)
    figures: Figures = {
        "highest_roc_auc": best[0].roc_auc,
        "highest_roc_auc_of": best[0].column,
        "highest_average_precision": best[1].average_precision,
        "highest_average_precision_of": best[1].column,
        "near_perfect": ", ".join(one.column for one in caught),
    }
    if leaks:
        found = (
            f"One column alone tells who converts: {_listed(leaks)}; leave it out, or {_ALLOW.format('it')}."
        )
        return Canary(name, "failed", found, figures)
    if caught:
        return Canary(name, "warned", f"Allowed to tell alone who converts: {_listed(caught)}.", figures)
    return Canary(name, "passed", f"No column alone tells who converts; best: {_listed(best[:1])}.", figures)


def blank_firmographics(source: Source, *, counts_as_feature: bool) -> Canary:
    """Ask whether customers' firmographics are blank as often as those of the others."""
    name, figures, clear = "blank firmographics", Figures(), []
    firm, customer = source.inputs.firmographics, source.closed != NEVER_CLOSED
    if not 0 < customer.sum() < customer.size:
        return _not_judged(name, "all companies are customers, or none is")
    for column in ("rank", "employee_range", "industry"):
        blank = pd.isna(getattr(firm, column))
        ours, theirs = float(blank[customer].mean()), float(blank[~customer].mean())
        p_value = two_shares_p_value(blank, customer)
        figures |= {f"{column}_customers": ours, f"{column}_others": theirs, f"{column}_p_value": p_value}
        if p_value < CHANCE and max(ours, theirs) > _CLEAR_RATIO * min(ours, theirs):
            clear.append(f"{column} ({ours:.1%} of customers, {theirs:.1%} of the others)")
    if not clear:
        return Canary(name, "passed", "Blank firmographics do not tell customers from the others.", figures)
    used = "all are features here" if counts_as_feature else "only that of industry is a feature"
    found = (
        f"Blanks tell customers from the others, as if filled in after paying ({used}): {', '.join(clear)}."
    )
    return Canary(name, "warned", found, figures)


def conversions_go_on(closed: NDArray[np.int32], part: Part, holdout: Panel, horizon_days: int) -> Canary:
    """Ask whether companies convert after the last cutoffs as after those before.

    Where rates are steady it fails less than once in a thousand times (`CHANCE`), however many convert.
    """
    name = "conversions go on"
    first = min(int(panel.cutoff.min()) for panel in (part.train, holdout))
    look = last_windows(closed, first, int(holdout.cutoff.max()), horizon_days)
    if look is None:
        return _not_judged(name, "no company converts before the last cutoffs")
    days = look.windows * horizon_days
    companies = counted(look.conversions, "company", "companies")
    told = f"{companies} in the last {days} days, {look.expected:.1f} expected"
    figures: Figures = {
        "days": days,
        "conversions": look.conversions,
        "expected": look.expected,
        "p_value": look.p_value,
    }
    if look.p_value < CHANCE and look.conversions < _COLLAPSED * look.expected:
        found = (
            f"Conversions collapse at the last cutoffs: {told} (p = {look.p_value:.1g}). Their outcome may "
            "not be known yet: check dates, and the day of the export (mlsys ingest --as-of DATE)."
        )
        return Canary(name, "failed", found, figures)
    if look.least_p_value >= CHANCE:
        return _not_judged(name, f"too few conversions for their end to show ({told})")
    return Canary(name, "passed", f"Conversions go on at the last cutoffs: {told}.", figures)


def _against_chance(ranked: Outcomes, seed: int, *, tries: int = 1) -> tuple[str, dict[str, float]]:
    """Hold a ranking, the best of so many, against chance; in words and in figures."""
    metrics = ranking_metrics(ranked, np.ones((1, ranked.score.size)))
    precision, auc = (float(metrics[name][0]) for name in ("average_precision", "roc_auc"))
    rate = float(ranked.label.mean())
    p_value = min(1.0, tries * chance_p_value(ranked, permutations=_PERMUTATIONS, seed=seed))
    told = f"average precision {precision:.4f} at a rate of {rate:.4f}, ROC-AUC {auc:.3f}, p = {p_value:.4f}"
    return told, {"average_precision": precision, "rate": rate, "roc_auc": auc, "p_value": p_value}


def _roc_auc(ranked: Outcomes) -> float:
    return float(ranking_metrics(ranked, np.ones((1, ranked.score.size)))["roc_auc"][0])


def _near_perfect(roc_auc: float, average_precision: float, rate: float, limits: CanarySettings) -> bool:
    # Average precision counts from that of chance, which is the rate: where half convert, it says nothing.
    highest = rate + limits.max_column_precision * (1 - rate)
    return roc_auc > limits.max_column_auc or average_precision > highest


def _spread(cutoffs: NDArray[np.int32], at_most: int) -> list[int]:
    """Choose cutoffs evenly, the first and the last among them."""
    known = np.unique(cutoffs)
    chosen = np.unique(np.linspace(0, known.size - 1, min(at_most, known.size)).round().astype(int))
    return [int(cutoff) for cutoff in known[chosen]]


def _listed(separations: Iterable[Separation]) -> str:
    return ", ".join(
        f"{one.column} (ROC-AUC {one.roc_auc:.3f}, average precision {one.average_precision:.3f})"
        for one in separations
    )


def _not_judged(name: str, why: str) -> Canary:
    return Canary(name, "warned", f"Could not be judged: {why}.", {})
