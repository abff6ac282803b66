"""Two settings on the same past lists, and what groups of features add."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys import console
from ml_sys.configuration import effective
from ml_sys.experiments.cache import FITTING
from ml_sys.metrics.holdout import ALL
from ml_sys.text import counted, date_of, likely
from ml_sys.views.cells import number, plain, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.experiments.ablation import Ablation
    from ml_sys.metrics.paired import ListMetric, Paired
    from ml_sys.metrics.scored_lists import ScoredLists
    from ml_sys.settings import Settings

Populations = dict[str, dict["ListMetric", "Paired"]]


def differing(a: Settings, b: Settings) -> dict[str, tuple[Any, Any]]:
    """Return the settings that reach a fit and differ, each with its value in A and in B."""
    one, other = effective(a), effective(b)
    keys = [
        key
        for key in dict.fromkeys([*one, *other])
        if key.partition(".")[0] in FITTING or key == "backtest.window"
    ]
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def compared(
    a: str, b: str, settings: Mapping[str, tuple[Any, Any]], paired: Populations, lists: ScoredLists
) -> None:
    """Show in what two settings differ and which makes the better lists."""
    if not settings:
        console.line(f"{a} and {b} differ in nothing that reaches a fit.")
    else:
        rows = [(key, *(_shown(value) for value in pair)) for key, pair in settings.items()]
        console.table("Settings that differ", ("setting", f"A: {a}", f"B: {b}"), rows, left=3)
    for population, metrics in paired.items():
        console.table(
            f"Means over {_span(lists)}, {population}",
            ("metric", "A", "B", "B − A", "interval", "P(B is better)"),
            [_row(one) for one in metrics.values()],
        )
    console.line(_verdict(paired[ALL]["average_precision"]))


def ablated(found: Sequence[Ablation], lists: ScoredLists) -> None:
    """Show what each group of features adds."""
    for population in found[0].paired if found else ():
        rows = []
        for one in found:
            paired = one.paired[population]["average_precision"]
            precision = one.paired[population]["precision_at_10"]
            rows.append(
                (
                    one.group,
                    one.features,
                    number(paired.champion, 3),
                    _signed(paired.difference),
                    _between(paired),
                    _probably(paired.probability_better),
                    _signed(precision.difference),
                )
            )
        whole = found[0].paired[population]["average_precision"].challenger
        console.table(
            f"What each group adds, {population}: average precision {number(whole, 3) or '–'} with all",
            ("group", "features", "AP without", "adds", "interval", "P(it helps)", "adds to P@10"),
            rows,
            caption=f"means over {_span(lists)}; groups overlap, so that what they add does not sum up",
        )


def compared_plain(
    a: str, b: str, settings: Mapping[str, tuple[Any, Any]], paired: Populations, lists: ScoredLists
) -> dict[str, Any]:
    """Return a comparison as plain data."""
    return {
        "a": a,
        "b": b,
        "settings": {key: {"a": one, "b": other} for key, (one, other) in settings.items()},
        "cutoffs": [date_of(day) for day in np.unique(lists.cutoff)],
        "companies_converted": _converted(lists),
        "metrics": {
            population: {
                metric: {
                    "a": plain(one.champion),
                    "b": plain(one.challenger),
                    "difference": plain(one.difference),
                    "low": plain(one.low),
                    "high": plain(one.high),
                    "probability_b_better": plain(one.probability_better),
                }
                for metric, one in metrics.items()
            }
            for population, metrics in paired.items()
        },
    }


def ablated_plain(found: Sequence[Ablation], lists: ScoredLists) -> dict[str, Any]:
    """Return what groups of features add as plain data."""
    return {
        "cutoffs": [date_of(day) for day in np.unique(lists.cutoff)],
        "companies_converted": _converted(lists),
        "groups": [
            {
                "group": one.group,
                "features": one.features,
                "metrics": {
                    population: {
                        metric: {
                            "with": plain(paired.challenger),
                            "without": plain(paired.champion),
                            "adds": plain(paired.difference),
                            "low": plain(paired.low),
                            "high": plain(paired.high),
                            "probability_helps": plain(paired.probability_better),
                        }
                        for metric, paired in metrics.items()
                    }
                    for population, metrics in one.paired.items()
                },
            }
            for one in found
        ],
    }


def _row(one: Paired) -> tuple[str | None, ...]:
    return (
        spoken(one.metric),
        number(one.champion, 3),
        number(one.challenger, 3),
        _signed(one.difference),
        _between(one),
        _probably(one.probability_better),
    )


def _verdict(one: Paired) -> str:
    metric = spoken(one.metric)
    if isnan(one.difference):
        return "No company of these lists converted: nothing can be said of either."
    if one.difference == 0 and one.low == one.high == 0:
        return f"A and B rank alike: their {metric} is the same."
    better, sure = "B", one.probability_better
    if sure < 1 - sure:
        better, sure = "A", 1 - sure
    if one.low <= 0 <= one.high:
        return (
            f"No difference in {metric} is shown: {better} is the better one at {likely(sure)} probability."
        )
    return f"{better} is better in {metric} at {likely(sure)} probability."


def _span(lists: ScoredLists) -> str:
    cutoffs = np.unique(lists.cutoff)
    return (
        f"{counted(cutoffs.size, 'list')} from {date_of(cutoffs[0])} to {date_of(cutoffs[-1])}, "
        f"{counted(_converted(lists), 'company that converted', 'companies that converted')}"
    )


def _converted(lists: ScoredLists) -> int:
    return int(np.unique(lists.company[lists.label]).size)


def _signed(value: float) -> str | None:
    return None if isnan(value) else f"{value:+.3f}"


def _between(one: Paired) -> str | None:
    return None if isnan(one.low) else f"{one.low:+.3f} to {one.high:+.3f}"


def _probably(share: float) -> str | None:
    return None if isnan(share) else likely(share)


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
