"""The page of what lists have brought, in the look of a version's report."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from ml_sys.report import charts
from ml_sys.report.impact_sentences import headline, reservations, state
from ml_sys.report.numbers import NONE, number, percent, percent_spread, spread
from ml_sys.report.page import Figure, Page, Section, Table, Tile, missing_section
from ml_sys.report.rendering import as_html
from ml_sys.text import counted, date_of, likely, signed, with_article

if TYPE_CHECKING:
    from ml_sys.form import Noun
    from ml_sys.outcomes.impact import Impact
    from ml_sys.outcomes.promised import Band, ListPart


def impact_page(impact: Impact) -> str:
    """Return what lists have brought as HTML, the same for the same figures."""
    mature = sum(one.realised is not None for one in impact.lists)
    return as_html(
        Page(
            title="What the lists brought",
            kicker="Lists that were handed out",
            heading="What the lists brought",
            facts=f"{counted(len(impact.lists), 'list')}, {mature} of them mature · outcomes up to "
            f"{date_of(impact.as_of)}",
            sections=(
                _summary(impact),
                _effect(impact),
                _promised(impact),
                _called(impact),
                _lists(impact),
                *_served(impact),
            ),
            words=_words(impact.words.entity),
            origin="Made by mlsys from the store of lists.",
        )
    )


def _words(entity: Noun) -> tuple[tuple[str, str], ...]:
    return (
        ("by lot", f"Whether {with_article(entity.one)} was called was decided by a draw, with a "
         "probability fixed beforehand."),
        ("interval", "The range that a figure most likely lies in, given luck in draw and conversions."),
        ("kept", "The outcome is within what the promised probabilities allow."),
        ("lift", "How many times as often as on average over the list."),
        ("precision", f"Share of the called {entity.many} that paid."),
        ("promised", "Sum of the probabilities on the list, given without regard to any call."),
        ("recall", "Share of those on the lists who paid that were called."),
    )  # fmt: skip


def _summary(impact: Impact) -> Section:
    effect, tiles = impact.effect, []
    if effect is not None and not isnan(effect.extra.low):
        tiles = [
            Tile(signed(effect.extra.value), "extra conversions per list",
                 f"{signed(effect.extra.low)} to {signed(effect.extra.high)}"),
            Tile(number(effect.money.value, 0), f"extra {impact.words.value} per list",
                 f"{number(effect.money.low, 0)} to {number(effect.money.high, 0)}"),
            Tile(likely(effect.chance), "chance of as much by the draw alone", "if calling did nothing"),
        ]  # fmt: skip
    return Section("summary", "In short", (headline(impact), *reservations(impact)), tiles=tuple(tiles))


def _effect(impact: Impact) -> Section:
    title, effect = "What being called did", impact.effect
    if effect is None:
        return missing_section("effect", title, "no mature list has an experiment in it (experiment.design)")
    sides = (
        _side("called by lot", effect.drawn, effect.drawn_paid),
        _side("left waiting", effect.waited, effect.waited_paid),
    )
    text = (
        "Extra conversions per list from being called, with their interval, as they stood after each list. "
        "While the band includes 0, there may be no effect at all."
    )
    known = [one for one in effect.running if not isnan(one.extra.low)]
    points = [
        {"x": date_of(one.cutoff), "y": one.extra.value, "low": one.extra.low, "high": one.extra.high}
        for one in known
    ]
    name = "The effect as the weeks go by"
    table = Table(
        name,
        ("list", "extra conversions per list"),
        tuple((date_of(one.cutoff), spread(one.extra, 2)) for one in effect.running),
    )
    figure = Figure(
        name,
        text,
        charts.running(points, y="extra conversions per list", key="running", title=name, text=text),
        table,
    )
    return Section(
        "effect",
        title,
        (
            f"On {counted(effect.lists, 'list')} a draw decided who was called. Once each is weighted by its "
            f"chance, both sides represent the same {impact.words.entity.many}; the difference that remains "
            "is the effect of the call.",
        ),
        figures=(figure,) if points else (),
        tables=(Table("Both sides of the draw", ("", impact.words.entity.many, "paid", "share"), sides),),
        notes=(
            "Those with a better chance of being called are also more likely to pay, so each of those left "
            "waiting is weighted by the odds of its chance. By that count "
            f"{effect.anyway:.1f} of those called would have paid anyway.",
        ),
    )


def _promised(impact: Impact) -> Section:
    title = "Promised and realised"
    if impact.total is None:
        return missing_section("promise", title, "no list is mature yet")
    head = ("", impact.words.entity.many, "promised", "true probabilities allow", "paid", "kept")
    return Section(
        "promise",
        title,
        (
            f"Over {counted(impact.compared, 'list')} whose windows do not overlap "
            f"{impact.total.promised:.1f} conversions were promised, and {impact.total.realised} came.",
        ),
        tables=(
            Table("By tier", head, tuple(_band(one) for one in (*impact.tiers, impact.total))),
            Table("By rank", head, tuple(_band(one) for one in impact.ranks)),
        ),
        notes=(
            f"Where {impact.words.entity.many} were called, more may pay than was promised, because the "
            "promise does not know about calls.",
        ),
    )


def _called(impact: Impact) -> Section:
    title = "The calls compared with a simple rule"
    if impact.called is None:
        return missing_section("calls", title, "no list is mature yet")
    words, rows = impact.words, [_part("called", impact.called)]
    if impact.first is not None and impact.effect is not None:
        rows.append(_part("top of the list, called or not", impact.first))
    if impact.by_rule is not None:
        rows.append(_part(f"{impact.rule}, that day", impact.by_rule))
    return Section(
        "calls",
        title,
        (
            f"The same number of {words.entity.many} from the same lists, among those that were not waiting "
            "that day. Those of the rule were called only if the list names them too, so an effect of "
            "calling flatters the list.",
        ),
        tables=(
            Table(
                "What was called, and what the rule would have",
                ("", words.entity.many, "promised", "paid", "precision", "recall", "lift", words.value),
                tuple(rows),
            ),
        ),
    )


def _lists(impact: Impact) -> Section:
    rows = tuple(
        (
            one.list_id,
            one.version,
            f"{one.calls:,}",
            number(one.promised, 1),
            NONE if one.realised is None else f"{one.realised:,}",
            NONE if one.money is None else number(one.money, 0),
            state(one),
        )
        for one in impact.lists
    )
    head = ("list", "version", "calls", "promised", "paid", impact.words.value, "outcome")
    return Section("lists", "List by list", tables=(Table("Lists that were handed out", head, rows),))


def _served(impact: Impact) -> tuple[Section, ...]:
    if not impact.served:
        return ()
    head = ("version", "predictions", "promised", "true probabilities allow", "paid", "kept")
    name = f"The last prediction of each {impact.words.entity.one} in each window of the horizon's length"
    rows = tuple(_band(one) for one in impact.served)
    return (Section("served", "What the service promised", tables=(Table(name, head, rows),)),)


def _band(one: Band) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.rows:,}",
        f"{one.promised:.1f}",
        f"{one.low} to {one.high}",
        f"{one.realised:,}",
        "yes" if one.kept else "no",
    )


def _part(name: str, one: ListPart) -> tuple[str, ...]:
    return (
        name,
        f"{one.rows:,}",
        f"{one.promised:.1f}",
        f"{one.realised:,}",
        percent_spread(one.precision),
        percent(one.recall, 0),
        number(one.lift, 1),
        number(one.money, 0),
    )


def _side(name: str, companies: int, paid: int) -> tuple[str, ...]:
    return name, f"{companies:,}", f"{paid:,}", percent(paid / companies if companies else None)
