"""Sentences on an ingest that are worth reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.checking.values import day_text
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.usage import UNFINISHED
from ml_sys.text import counted, with_article

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from ml_sys.data.ingest_report import BlankRates, TableRead
    from ml_sys.data.ingesting.usage_seen import UsageSeen
    from ml_sys.data.snapshot_id import Content
    from ml_sys.form import Words

_STALE_DAYS = 14


def notes_on(
    content: Content,
    usage: UsageSeen,
    blanks: tuple[BlankRates, ...],
    tables: Sequence[TableRead],
    rejected: Mapping[str, int],
    usage_end: int | None,
) -> list[str]:
    """Say what was ignored or kept, and what may leak.

    Parameters
    ----------
    usage : UsageSeen
        What of it is in the snapshot.
    rejected : mapping of str to int
        Rows of all usage tables by reason.
    usage_end : int or None
        Day up to which usage is covered.
    """
    notes = [f"{one.name}: ignored {', '.join(map(repr, one.extra))}" for one in tables if one.extra]
    notes += [
        f"{one.name}: has no column of {', '.join(one.lacks)}, blank for whom no other table tells it"
        for one in tables
        if one.lacks
    ]
    notes += [
        f"{one.name}: {counted(one.no_purchases, 'row is', 'rows are')} no conversion: money given back, or "
        "nothing paid"
        for one in tables
        if one.no_purchases
    ]
    companies = content.companies
    unpaid, words = int((companies["value"] <= 0).sum()), content.form.words
    if unpaid:
        of_none = f"with {with_article(words.value)} of zero or less"
        kept = words.customer.counted(unpaid, f"{of_none} is", f"{of_none} are")
        notes.append(f"{kept} kept; {words.value} is not a feature")
    notes += _of_beginnings(companies, words) if content.form.has_since else []
    if usage.days is not None and usage_end != content.as_of:
        behind = content.as_of - usage.days[1]
        if behind > _STALE_DAYS:
            notes.append(f"usage ends on {day_text(usage.days[1])}, {behind} days before the snapshot's day")
    if rejected.get(UNFINISHED):
        rows = counted(rejected[UNFINISHED], "usage row is", "usage rows are")
        notes.append(
            f"{rows} of a period that is not complete by {day_text(content.as_of)}, and in quarantine"
        )
    # A blank of a category is a level of its own, unless it is described as one that leaks.
    judged = {one.name for one in content.form.attributes if one.kind != "category" or one.blank_leaks}
    notes += [
        f"{rates.column} is blank for {rates.customers:.1%} of {words.customer.many} and "
        f"{rates.noncustomers:.1%} of the others: it may be filled in after paying, so that a blank "
        "tells the outcome"
        for rates in blanks
        if rates.differs and rates.column in judged
    ]
    return notes


def _of_beginnings(companies: pd.DataFrame, words: Words) -> list[str]:
    """Say whose conversion has nothing before it to learn from."""
    closed, since = companies["converted_on"].to_numpy(), companies["since"].to_numpy()
    dated = (closed != NEVER_CLOSED) & (since != NEVER_BEGAN)
    first_day, before = int((dated & (closed == since)).sum()), int((dated & (closed < since)).sum())
    unknown, notes = int((since == NEVER_BEGAN).sum()), []
    if first_day:
        they = words.customer.counted(first_day)
        notes.append(f"{they} converted on the first day, with nothing before it to learn from: set aside")
    if before:
        they = words.customer.counted(before)
        notes.append(f"{they} converted before the day they began, so one of the dates is wrong: set aside")
    if unknown:
        they = words.entity.counted(unknown, "has", "have")
        notes.append(f"{they} no day of beginning: taken to have been there all along")
    return notes
