"""How well the settings would have done at past cutoffs."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.experiments.schedule import PLAIN
from ml_sys.metrics.names import heading, label, named
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report.sentences import season_in_short
from ml_sys.text import counted, date_of
from ml_sys.views.frame.cells import bar, interval, number, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.experiments.backtest import Backtest
    from ml_sys.form import Noun
    from ml_sys.jobs.past.backtest import PastLists
    from ml_sys.metrics.campaign import Season
    from ml_sys.metrics.paired import ListMetric

_SHOWN: tuple[ListMetric, ...] = ("roc_auc", "average_precision", "precision_at_10")
# Marks the lists on whose day the model was fitted.
_RETRAINED = " *"


def backtest(past: PastLists) -> None:
    """Show a backtest: each list, mean and spread by population; and where its predictions are."""
    result = past.judged
    for population in result.mean:
        rankers = [MODEL, *(name for name in result.mean[population] if name not in {MODEL, RANDOM})]
        columns = [
            "list",
            "prospects",
            "paid",
            *map(heading, _SHOWN),
            *(f"{heading('average_precision')}: {one}" for one in rankers[1:]),
        ]
        rows: list[Sequence[object]] = [
            (
                date_of(one.cutoff) + (_RETRAINED if one.cutoff == one.trained else ""),
                f"{one.prospects[population]:,}",
                one.conversions[population],
                *_backtest_cells(one.metrics[population], rankers),
            )
            for one in result.cutoffs
        ]
        rows.append(("mean", "", "", *_backtest_cells(result.mean[population], rankers)))
        rows.append(("spread (sd)", "", "", *_backtest_cells(result.spread[population], rankers)))
        caption = (
            "* the model was retrained that day; ROC-AUC, AP (average precision) and P@10 are the model's"
        )
        console.table(f"Backtest, {population}", columns, rows, caption=caption)
        _means(result, population, [*rankers, RANDOM])
        pooled = result.pooled[population]
        console.line(
            f"{population}: mean probability {pooled['mean_probability']:.4%}, "
            f"observed {pooled['conversion_rate']:.4%}, "
            f"{label('calibration_error')} {pooled['calibration_error']:.5f}"
        )
    season(result.season, past.words.entity)
    console.line(f"{PLAIN}: XGBoost with the default parameters on the same rows: 100 trees, no resampling.")
    if result.remembered:
        made = counted(result.remembered, "list was", "lists were")
        console.line(f"{made} made in an earlier run with the same data, settings and code.")
    if past.written is not None:
        console.line(f"Written: {past.written} ({counted(len(result.lists), 'row')})")


def season(found: Season, entity: Noun) -> None:
    """Show what working down the lists reaches, by capacity, with and without a cool-down."""
    keys = list(dict.fromkeys((one.capacity, one.cooldown_weeks) for one in found.campaigns))
    rankers = [
        MODEL,
        *(lead.ranker for lead in found.leads if (lead.capacity, lead.cooldown_weeks) == keys[0]),
    ]
    most = max(one.converters.value for one in found.campaigns)
    rows = []
    for capacity, cooldown in keys:
        for ranker in [*rankers, RANDOM]:
            one = found.of(ranker, capacity, cooldown)
            low, high = one.converters.low, one.converters.high
            rows.append(
                (
                    ranker,
                    capacity,
                    f"{cooldown} weeks" if cooldown else "none",
                    f"{one.converters.value:.0f}" if ranker != RANDOM else f"{one.converters.value:.1f}",
                    None if isnan(low) else f"{low:.0f} to {high:.0f}",
                    bar(one.converters.value, most),
                    f"{one.calls_per_converter:.0f}" if one.converters.value else None,
                    percent(one.precision),
                )
            )
    first = found.campaigns[0]
    console.table(
        f"Working down {counted(first.lists, 'list')}: converters reached, of {first.of}",
        (
            "ranked by",
            "calls per list",
            "cool-down",
            "reached",
            "interval",
            "",
            "calls per converter",
            "precision",
        ),
        rows,
        caption=f"each {entity.one} counts once; cool-down: those called recently make room for others",
    )
    console.line(season_in_short(found, entity))


def _means(result: Backtest, population: str, rankers: Sequence[str]) -> None:
    means = [
        (
            name,
            *(cell for metric in _SHOWN for cell in _estimated(result, population, name, metric)),
        )
        for name in rankers
    ]
    console.table(
        f"Means over lists, {population}",
        ("ranked by", *(column for metric in _SHOWN for column in (label(metric), "interval"))),
        means,
    )


def _estimated(
    result: Backtest, population: str, ranker: str, metric: ListMetric
) -> tuple[str | None, str | None]:
    digits = named(metric).digits
    value = number(result.mean[population][ranker][metric], digits)
    if ranker == RANDOM:
        return value, None
    return value, interval(result.intervals[population][ranker][metric], digits)


def _backtest_cells(metrics: Mapping[str, Mapping[str, float]], rankers: Sequence[str]) -> list[str | None]:
    ours = [number(metrics[MODEL][metric], named(metric).digits) for metric in _SHOWN]
    return ours + [number(metrics[name]["average_precision"], 3) for name in rankers[1:]]
