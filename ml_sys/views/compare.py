"""Two settings on the same past lists, and what groups of features add."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.names import heading, label, named
from ml_sys.text import counted, date_of, likely, signed
from ml_sys.views.frame.cells import number

if TYPE_CHECKING:
    from ml_sys.form import Noun
    from ml_sys.jobs.past.compare import Ablated, Compared, Dates
    from ml_sys.metrics.paired import Paired


def compared(result: Compared) -> None:
    """Show how two settings differ, and which makes better lists."""
    a, b, settings = result.a, result.b, result.settings
    if not settings:
        console.line(f"{a} and {b} do not differ in anything that affects the fit.")
    else:
        rows = [(key, *(_shown(value) for value in pair)) for key, pair in settings.items()]
        console.table("Settings that differ", ("setting", f"A: {a}", f"B: {b}"), rows, left=3)
    for population, metrics in result.paired.items():
        console.table(
            f"Means over {_span(result.dates)}, {population}",
            ("metric", "A", "B", "B − A", "interval", "P(B is better)"),
            [_row(one) for one in metrics.values()],
        )
    console.line(_verdict(result.paired[ALL]["average_precision"], result.dates.words.entity))


def ablated(result: Ablated) -> None:
    """Show what each group of features adds."""
    found = result.groups
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
            f"What each group adds, {population}: "
            f"{label('average_precision')} {number(whole, 3) or '–'} with all",
            (
                "group",
                "features",
                f"{heading('average_precision')} without",
                "adds",
                "interval",
                "P(it helps)",
                f"adds to {heading('precision_at_10')}",
            ),
            rows,
            caption=f"means over {_span(result.dates)}; groups overlap, so their contributions do not add up",
        )


def _row(one: Paired) -> tuple[str | None, ...]:
    return (
        label(one.metric),
        number(one.champion, named(one.metric).digits),
        number(one.challenger, named(one.metric).digits),
        _signed(one.difference),
        _between(one),
        _probably(one.probability_better),
    )


def _verdict(one: Paired, entity: Noun) -> str:
    metric = label(one.metric)
    if isnan(one.difference):
        return f"No {entity.one} on these lists converted, so neither can be judged."
    if one.difference == 0 and one.low == one.high == 0:
        return f"A and B rank alike: their {metric} is the same."
    better, sure = "B", one.probability_better
    if sure < 1 - sure:
        better, sure = "A", 1 - sure
    if one.low <= 0 <= one.high:
        return f"No difference in {metric} is shown: {better} is better with {likely(sure)} probability."
    return f"{better} is better in {metric} with {likely(sure)} probability."


def _span(dates: Dates) -> str:
    cutoffs = dates.cutoffs
    return (
        f"{counted(len(cutoffs), 'list')} from {date_of(cutoffs[0])} to {date_of(cutoffs[-1])}, "
        f"{dates.words.entity.counted(dates.converters, 'that converted', 'that converted')}"
    )


def _signed(value: float) -> str | None:
    return None if isnan(value) else signed(value, 3, plus=True)


def _between(one: Paired) -> str | None:
    return None if isnan(one.low) else f"{signed(one.low, 3, plus=True)} to {signed(one.high, 3, plus=True)}"


def _probably(share: float) -> str | None:
    return None if isnan(share) else likely(share)


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
