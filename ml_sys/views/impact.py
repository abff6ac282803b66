"""What the lists that were handed out have brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.report.impact_sentences import headline, reservations, state
from ml_sys.text import counted, date_of
from ml_sys.views.frame.cells import interval, number, percent

if TYPE_CHECKING:
    from ml_sys.jobs.outcomes.impact import Brought
    from ml_sys.outcomes.being_called import Called
    from ml_sys.outcomes.impact import Impact
    from ml_sys.outcomes.promised import Band, ListPart


def brought(found: Brought) -> None:
    """Show what lists have brought: the sentence first, then the figures behind it."""
    impact, words = found.impact, found.impact.words
    console.line(headline(impact))
    for text in reservations(impact):
        console.line(text)
    if impact.effect is not None:
        _effect(impact.effect, words.value)
    if impact.total is not None:
        _promised(impact)
    if impact.called is not None:
        rows = [_part("called", impact.called)]
        if impact.first is not None and impact.effect is not None:
            rows.append(_part("first of the list", impact.first))
        if impact.by_rule is not None:
            rows.append(_part(impact.rule, impact.by_rule))
        columns = (
            "",
            words.entity.many,
            "promised",
            "paid",
            "precision",
            "interval",
            "recall",
            "lift",
            words.value,
        )
        console.table("The calls compared with a simple rule on the same days", columns, rows)
    if impact.lists:
        _lists(impact)
    if impact.served:
        console.table(
            "Predictions by the service: the last one in each window of the length of the horizon",
            ("version", "predictions", "promised", "allowed", "paid", "kept"),
            [_band(one) for one in impact.served],
            caption="allowed: the range that true probabilities give with "
            f"{impact.confidence:.0%} confidence",
        )
    if found.strangers:
        console.warn(
            f"{words.entity.counted(found.strangers)} of {found.companies:,} on the lists "
            "are not in the data: if that is more than a few, ids have changed and outcomes are missing"
        )
    for note in found.notes:
        console.note(note)
    if found.page is not None:
        console.line(f"Written: {found.page}")


def _effect(effect: Called, value: str) -> None:
    rows = [
        ("extra conversions per list", number(effect.extra.value, 2), interval(effect.extra, 2)),
        (f"extra {value} per list", number(effect.money.value, 0), interval(effect.money, 0)),
    ]
    if effect.complied is not None:
        per_call = effect.complied.per_call
        rows.append(("extra conversions per call made", number(per_call.value, 3), interval(per_call, 3)))
    console.table(
        f"What being called did, over {counted(effect.lists, 'list')} with a {effect.design}",
        ("", "effect", "interval"),
        rows,
        caption=f"{effect.drawn_paid} of {effect.drawn:,} called by lot paid; {effect.anyway:.1f} of them "
        f"would have paid anyway, judging by {effect.waited_paid} of {effect.waited:,} left waiting who paid",
    )


def _promised(impact: Impact) -> None:
    bands = [*impact.tiers, *impact.ranks, *([] if impact.total is None else [impact.total])]
    console.table(
        f"Promised and realised, over {counted(impact.compared, 'list')} whose windows do not overlap",
        ("", impact.words.entity.many, "promised", "allowed", "paid", "kept"),
        [_band(one) for one in bands],
        caption=f"allowed: the range that true probabilities give with {impact.confidence:.0%} confidence",
    )


def _lists(impact: Impact) -> None:
    console.table(
        f"Lists that were handed out, outcomes up to {date_of(impact.as_of)}",
        ("list", "version", "calls", "promised", "paid", impact.words.value, "outcome"),
        [
            (
                one.list_id,
                one.version,
                one.calls,
                number(one.promised, 1),
                one.realised,
                None if one.money is None else number(one.money, 0),
                state(one),
            )
            for one in impact.lists
        ],
        left=2,
        texts=("outcome",),
    )


def _band(one: Band) -> tuple[object, ...]:
    kept = "yes" if one.kept else "no"
    return (one.name, f"{one.rows:,}", f"{one.promised:.1f}", f"{one.low} to {one.high}", one.realised, kept)


def _part(name: str, one: ListPart) -> tuple[object, ...]:
    return (
        name,
        f"{one.rows:,}",
        f"{one.promised:.1f}",
        one.realised,
        percent(one.precision.value),
        f"{one.precision.low:.1%} to {one.precision.high:.1%}",
        percent(one.recall),
        number(one.lift, 1),
        number(one.money, 0),
    )
