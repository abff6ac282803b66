"""Write the notes on an ingest: what was ignored, kept or set aside, and what may leak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.checking.values import day_text
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.usage import UNFINISHED
from ml_sys.text import counted, with_article

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.data.ingest_report import BlankRates, TableRead
    from ml_sys.data.ingesting.company_columns import Companies
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
        The usage in the snapshot.
    rejected : mapping of str to int
        Reason to rejected rows, over all usage tables.
    usage_end : int or None
        Day up to which usage is covered.
    """
    notes = [f"{one.name}: ignored {', '.join(map(repr, one.extra))}" for one in tables if one.extra]
    notes += [
        f"{one.name}: has no column for {', '.join(one.lacks)}, which stays blank unless another table has it"
        for one in tables
        if one.lacks
    ]
    notes += [
        f"{one.name}: {counted(one.no_purchases, 'row does', 'rows do')} not count as a conversion: "
        "a refund, or nothing was paid"
        for one in tables
        if one.no_purchases
    ]
    companies = content.companies
    unpaid, words = int((companies.value <= 0).sum()), content.form.words
    if unpaid:
        of_none = f"with {with_article(words.value)} of zero or less"
        kept = words.customer.counted(unpaid, f"{of_none} is", f"{of_none} are")
        notes.append(f"{kept} kept; {words.value} is not a feature")
    notes += _of_beginnings(companies, words) if content.form.has_since else []
    if usage.days is not None and usage_end != content.as_of:
        behind = content.as_of - usage.days[1]
        if behind > _STALE_DAYS:
            notes.append(
                f"usage ends on {day_text(usage.days[1])}, {behind} days before the day of the snapshot"
            )
    if rejected.get(UNFINISHED):
        rows = counted(rejected[UNFINISHED], "usage row is", "usage rows are")
        notes.append(f"{rows} in quarantine, as the period was not complete by {day_text(content.as_of)}")
    # A blank of a category is a level of its own, unless it is described as one that leaks.
    judged = {one.name for one in content.form.attributes if one.kind != "category" or one.blank_leaks}
    notes += [
        f"{rates.column} is blank for {rates.customers:.1%} of {words.customer.many} and "
        f"{rates.noncustomers:.1%} of the others: it may be filled in after paying, in which case a blank "
        "gives the outcome away"
        for rates in blanks
        if rates.filled_in and rates.column in judged
    ]
    return notes


def _of_beginnings(companies: Companies, words: Words) -> list[str]:
    """Note conversions with nothing before them to learn from, and unknown first days."""
    closed, since = companies.converted_on, companies.since
    if since is None:
        return []
    dated = (closed != NEVER_CLOSED) & (since != NEVER_BEGAN)
    first_day, before = int((dated & (closed == since)).sum()), int((dated & (closed < since)).sum())
    unknown, notes = int((since == NEVER_BEGAN).sum()), []
    if first_day:
        they = words.customer.counted(first_day)
        notes.append(
            f"{they} converted on the first day: set aside, as there is nothing before it to learn from"
        )
    if before:
        they = words.customer.counted(before)
        notes.append(f"{they} converted before the first day: set aside, as one of the two dates is wrong")
    if unknown:
        they = words.entity.counted(unknown, "has", "have")
        notes.append(f"{they} no first day: counted from the start of the data")
    return notes
