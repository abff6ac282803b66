"""Sentences about what lists have brought, shared by the page and the terminal."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.outcomes.being_called import FEW
from ml_sys.outcomes.lottery import WEEK_DAYS
from ml_sys.text import counted, date_of, is_rule, likely, signed, with_article

if TYPE_CHECKING:
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.outcomes.being_called import Called
    from ml_sys.outcomes.impact import Impact, ListOutcome


def headline(impact: Impact) -> str:
    """Say in one sentence what being called did, and how sure that is."""
    mature = [one for one in impact.lists if one.realised is not None]
    effect = impact.effect
    if not impact.lists:
        return "No list was handed out; what the service promised is below."
    if not mature:
        first = min((one.matures_on for one in impact.lists), default=impact.as_of)
        waits = counted(len(impact.lists), "list waits for its outcome", "lists wait for their outcome")
        return f"{waits}; the first is known when the data reach {date_of(first)}."
    if effect is None:
        return f"{_brought(impact)}; lists without an experiment cannot say what a call adds."
    if isnan(effect.extra.low):
        called = f"No {impact.words.entity.one} whose call was drawn"
        return f"{called} has paid yet, so the effect of being called is not known."
    pay = _more(effect.extra.value)
    said = (
        f"Being called made {pay} of {effect.calls:.0f} pay {_each(impact)} "
        f"({signed(effect.extra.low)} to {signed(effect.extra.high)})"
    )
    return f"{said}; {_settled(effect, _each(impact))}."


def last_matured(impact: Impact) -> ListOutcome | None:
    """Return the latest list whose outcome is known."""
    return next((one for one in reversed(impact.lists) if one.realised is not None), None)


def matured_sentence(one: ListOutcome) -> str:
    """Compare what a matured list promised with what came."""
    if is_rule(one.version):
        return (
            f"The last list whose outcome is known, {one.list_id}, was made by a rule and promised nothing: "
            f"{one.realised:,} of {counted(one.calls, 'call')} paid."
        )
    return (
        f"The last list whose outcome is known, {one.list_id}, promised {one.promised:.1f} conversions in "
        f"{counted(one.calls, 'call')}, and {one.realised:,} came."
    )


def reservations(impact: Impact) -> tuple[str, ...]:
    """Say what to keep in mind about the effect."""
    effect = impact.effect
    if effect is None or isnan(effect.extra.low):
        return ()
    alone = with_article(impact.words.entity.one)
    said = [
        f"If being called did nothing, the draw would show as much in {likely(effect.chance)} of cases.",
        f"This is the effect of calling now rather than leaving {alone} alone until its window has closed, "
        f"measured on {impact.words.entity.many} that chance decided on; those that are always called say "
        "nothing about it.",
    ]
    if effect.too_few:
        said.insert(
            0,
            f"Of those called by lot {effect.drawn_paid} have paid and of those left waiting "
            f"{effect.waited_paid}: below {FEW} on either side the interval is not reliable.",
        )
    complied = effect.complied
    if complied is not None:
        said.append(
            f"{likely(complied.made)} of the calls drawn were made, and {likely(complied.strayed)} of those "
            f"left waiting were called as well; calls made brought {per_hundred(complied.per_call)}."
        )
    return tuple(said)


def per_hundred(per_call: Estimate) -> str:
    """Return an effect of one call as that of a hundred."""
    if isnan(per_call.value):
        return "what is not known"
    low, high = ("–" if isnan(one) else signed(100 * one) for one in (per_call.low, per_call.high))
    return f"{signed(100 * per_call.value)} conversions per hundred ({low} to {high})"


def state(one: ListOutcome) -> str:
    """Say how far what came of a list is known."""
    if one.realised is None:
        return f"waits until {date_of(one.matures_on)}"
    return "known; late conversions may come" if one.may_gain else "known"


def _more(value: float) -> str:
    if signed(value) == "0.0":
        return "no more"
    return f"{signed(abs(value))} {'more' if value > 0 else 'fewer'}"


def _each(impact: Impact) -> str:
    """Say "per week" where lists come weekly, else "per list"."""
    days = np.diff(sorted({one.cutoff for one in impact.lists}))
    return "per week" if days.size and (days == WEEK_DAYS).mean() > 1 / 2 else "per list"


def _settled(effect: Called, each: str) -> str:
    if effect.more_lists is None:
        return "at this rate it would take too long to settle"
    if not effect.more_lists:
        return "that is more than luck"
    noun = "more week" if each == "per week" else "more list"
    return f"{counted(effect.more_lists, noun)} would settle it"


def _brought(impact: Impact) -> str:
    """Count on lists whose windows do not overlap, as a company may be on several and pays once."""
    mature = sum(one.realised is not None for one in impact.lists)
    if impact.called is None:
        return counted(mature, "list has its outcome", "lists have their outcomes")
    lists = counted(mature, "list")
    if impact.compared < mature:
        lists = f"{impact.compared} of {lists}, whose windows do not overlap,"
    calls, paid = counted(impact.called.rows, "call"), impact.called.realised
    return f"Of {calls} on {lists} {paid} paid within the horizon"
