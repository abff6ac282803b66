"""The sections about past lists, made again: a season of calls, its worth, and metrics by cutoff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.list_averages import LIST_METRICS
from ml_sys.metrics.money import GAIN_DEPTHS
from ml_sys.metrics.names import REPORTED, label
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report import charts
from ml_sys.report.numbers import NONE, number, percent, spread
from ml_sys.report.page import Figure, Section, Table, missing_section
from ml_sys.report.sentences import season_in_short
from ml_sys.text import counted, date_of, likely, signed, with_article

if TYPE_CHECKING:
    from ml_sys.form import Noun
    from ml_sys.metrics.campaign import Season
    from ml_sys.report.evidence import Evidence


def campaign(evidence: Evidence) -> Section:
    """Show what a season of lists reaches."""
    title, back = "A season of calls", evidence.past.backtest
    if back is None:
        return missing_section("campaign", title, "past lists were not made for it (report.backtest is off)")
    season = back.season
    first, entity = season.campaigns[0] if season.campaigns else None, evidence.words.entity
    of = f"{counted(first.lists, 'list')}, {counted(first.of, 'converter')} in all" if first else ""
    return Section(
        "campaign",
        title,
        (
            season_in_short(season, entity),
            f"Sales works down a list every week, and the same {entity.many} appear on it again and again. "
            f"What counts is how many different converters are called in time. Simulated over {of}, each "
            "list made by a model that knew only what was known that day.",
        ),
        figures=(_reached(season, entity),),
        tables=(_leads(season),),
    )


def _reached(season: Season, entity: Noun) -> Figure:
    rows = tuple(
        (
            f"{one.ranker}, {counted(one.capacity, 'call')} per list, "
            + (f"{one.cooldown_weeks} weeks of rest" if one.cooldown_weeks else "no rest"),
            f"{one.converters.value:.0f}"
            + (f" ({one.converters.low:.0f} to {one.converters.high:.0f})" if one.ranker != RANDOM else ""),
            percent(one.share, 0),
            number(one.calls_per_converter, 0),
            percent(one.precision),
        )
        for one in season.campaigns
    )
    kinds = tuple(dict.fromkeys(one.ranker for one in season.campaigns))
    points = [
        {
            "ranker": one.ranker,
            "x": f"{one.capacity}{' + rest' if one.cooldown_weeks else ''}",
            "y": one.converters.value,
        }
        for one in season.campaigns
    ]
    table = Table(
        "Distinct converters reached",
        ("who is called", "converters reached", "of all", "calls per converter", "calls that convert"),
        rows,
    )
    name, text = (
        "Distinct converters reached by calls per list",
        f"Higher is better. With rest, {with_article(entity.one)} that was called makes room for others "
        "for some weeks.",
    )
    svg = charts.columns(
        points,
        kinds,
        x="calls per list",
        y="converters reached",
        y_format="d",
        key="season",
        title=name,
        text=text,
    )
    return Figure(name, text, svg, table)


def _leads(season: Season) -> Table:
    return Table(
        "Converters that the model reaches more than others",
        ("beside", "calls per list", "weeks of rest", "more", "interval", "more with probability"),
        tuple(
            (
                one.ranker,
                f"{one.capacity:,}",
                f"{one.cooldown_weeks}",
                signed(one.difference.value, 0, plus=True),
                f"{signed(one.difference.low, 0, plus=True)} to {signed(one.difference.high, 0, plus=True)}",
                likely(one.probability_more),
            )
            for one in season.leads
        ),
    )


def worth(evidence: Evidence) -> Section:
    """Show what past lists were worth."""
    title, found = "What is it worth?", evidence.past.money
    if found is None:
        return missing_section("money", title, "past lists were not made for it")
    past = [
        (
            counted(one.capacity, "call"),
            counted(one.lists, "list"),
            f"{one.worth.expected:,.0f} ({one.worth.low:,.0f} to {one.worth.high:,.0f})",
            f"{one.realised:,.0f}",
        )
        for one in found.past
    ]
    gains = [(ranker, *(percent(share, 0) for share in shares)) for ranker, shares in found.gains.items()]
    rankers, value, payers = list(found.gains), evidence.words.value, evidence.words.customer
    return Section(
        "money",
        title,
        (
            f"An estimate, not a forecast of invoices: each conversion is valued at what {payers.many} "
            f"before it paid on average per month. {payers.counted(found.customers)} with a known {value}, "
            f"{found.not_positive} of them with zero or less, which counts as zero.",
            f"The brackets contain what such lists bring {evidence.confidence:.0%} of the time if the "
            "probabilities are true.",
        ),
        tables=(
            Table(
                f"{value} of the converters among the first of each list, all lists added",
                ("calls per list", "lists", "expected", "came"),
                tuple(past),
            ),
        ),
        folded=(
            Table(
                f"Share of the converters' {value} within the first of each list",
                ("ranked by", *(percent(depth, 0) for depth in GAIN_DEPTHS)),
                tuple(gains),
                marked=rankers.index(MODEL),
            ),
        ),
    )


def over_time(evidence: Evidence) -> Section:
    """Show metrics by cutoff."""
    title, back = "Does it hold over time?", evidence.past.backtest
    if back is None:
        return missing_section("time", title, "past lists were not made for it (report.backtest is off)")
    names = tuple(back.cutoffs[0].metrics[ALL])
    figures = []
    for metric, spoken, key in (
        ("average_precision", "Average precision", "time-ap"),
        ("recall_at_50", "Converters in the top 50", "time-recall"),
    ):
        points = [
            {"ranker": name, "x": date_of(one.cutoff), "y": one.metrics[ALL][name][metric]}
            for one in back.cutoffs
            for name in names
            if one.metrics[ALL][name][metric] == one.metrics[ALL][name][metric]
        ]
        rows = tuple(
            (date_of(one.cutoff), *(number(one.metrics[ALL][name][metric]) for name in names))
            for one in back.cutoffs
        )
        text = (
            "Each list was made by a model that knew only what was known that day; single lists vary a lot."
        )
        svg = charts.over_time(points, names, y=spoken.lower(), key=key, title=spoken, text=text)
        figures.append(Figure(spoken, text, svg, Table(spoken, ("cutoff", *names), rows)))
    mean = tuple(
        (one.label, *(_mean_and_spread(evidence, name, metric, one.digits) for name in names))
        for metric, one in REPORTED.items()
        if metric in back.mean[ALL][MODEL]
    )
    sure = tuple(
        (
            label(metric),
            *(
                spread(back.intervals[ALL][name][metric])
                if name in back.intervals[ALL]
                else number(back.mean[ALL][name][metric])
                for name in names
            ),
        )
        for metric in LIST_METRICS
    )
    return Section(
        "time",
        title,
        (f"The model was fitted again and judged on {counted(len(back.cutoffs), 'past list')}.",),
        figures=tuple(figures),
        tables=(
            Table(
                f"Mean over the lists with its interval, {evidence.words.entity.many} drawn again with "
                "all their rows",
                ("metric", *names),
                sure,
            ),
        ),
        folded=(Table("Mean over the lists ± standard deviation", ("metric", *names), mean),),
    )


def _mean_and_spread(evidence: Evidence, ranker: str, metric: str, digits: int) -> str:
    back = evidence.past.backtest
    if back is None or metric not in back.mean[ALL][ranker]:
        return NONE
    mean, deviation = back.mean[ALL][ranker][metric], back.spread[ALL][ranker][metric]
    return f"{number(mean, digits)} ± {number(deviation, digits)}"
