"""How a monitoring looks in the terminal: what rings first, then every check."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.report.monitoring_sentences import amount, headline, sentence
from ml_sys.text import likely
from ml_sys.views.frame.cells import number

if TYPE_CHECKING:
    from ml_sys.outcomes.monitoring import Challenger, Check, Matured, Monitoring

# Features shown in the terminal; the page has more.
_FEATURES = 5


def monitoring(found: Monitoring) -> None:
    """Show a monitoring."""
    console.table(
        f"Version {found.version} on {found.day}: {found.prospects:,} prospects at {found.cutoff}, "
        f"compared with {found.reference}",
        ("what", "now", "reference", "effect", "rings above", "p", "alarm"),
        [_row(one) for one in found.checks],
        caption="effect: the larger, the further from the reference; p: how often chance alone would do "
        "as much, adjusted for all checks of its kind",
        texts=("alarm",),
    )
    _lists("Matured lists, made again by this version", found.matured)
    _lists("Matured lists, as this version handed them out", found.handed_out)
    if found.challengers:
        console.table(
            "Challengers in the shadow",
            ("version", "same calls today", "matured lists", "average precision", "production", "better"),
            [_challenger(one) for one in found.challengers],
        )
    moved = [one for one in found.features[:_FEATURES] if one.stability_index > 0]
    if moved:
        console.line(
            "Features that moved most (stability index): "
            + ", ".join(f"{one.feature} {one.stability_index:.2f}" for one in moved)
        )
    for note in found.notes:
        console.line(note)
    console.line(headline(found))
    for one in found.alarms:
        console.line(f"  {sentence(one)}")
    if found.page is not None:
        console.line(f"Written: {found.page}")


def _lists(title: str, lists: tuple[Matured, ...]) -> None:
    if lists:
        console.table(
            title,
            ("list", "prospects", "promised", "95% interval", "came"),
            [
                (
                    one.cutoff,
                    f"{one.prospects:,}",
                    f"{one.expected:.1f}",
                    f"{one.low} to {one.high}",
                    one.came,
                )
                for one in lists
            ],
        )


def _row(one: Check) -> tuple[object, ...]:
    return (
        one.name,
        amount(one.now, one.unit),
        amount(one.reference, one.unit),
        number(one.effect, 2),
        number(one.limit, 2),
        None if one.p is None else f"{one.p:.4f}",
        "ALARM" if one.alarm else "",
    )


def _challenger(one: Challenger) -> tuple[object, ...]:
    if one.problem:
        return one.version, one.problem, None, None, None, None
    return (
        one.version,
        f"{one.shared} of {one.capacity}",
        one.lists,
        number(one.average_precision, 3),
        number(one.production, 3),
        None if isnan(one.probability_better) else likely(one.probability_better),
    )
