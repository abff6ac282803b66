"""Report on an ingest: rows by outcome and reason, coverage, conversions by month, and warnings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.checking.values import day_text
from ml_sys.data.ingesting.notes import notes_on
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.form import PLAIN_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.after_export import DatesAfterExport
    from ml_sys.data.ingesting.usage_seen import UsageSeen
    from ml_sys.data.quarantine import Quarantine
    from ml_sys.data.snapshot_id import Content
    from ml_sys.form import Form, Words

CONVERTED, FREE, PURCHASES, USAGE, LINKS = "converted", "free", "purchases", "usage", "links"
# Blanks that are rarer among customers by more than this, and by more standard deviations than that, get a
# note: chance makes it once in a thousand times.
_BLANK_GAP, _BY_LUCK = 0.02, 3.1


@dataclass(frozen=True)
class TableReport:
    """How many rows of a table were accepted, merged and quarantined.

    Attributes
    ----------
    where : str
        File or table.
    read, accepted : int
        Rows; ``read`` is ``accepted`` + the sum of ``rejected`` + the sum of ``merged``.
    rejected, merged : mapping of str to int
        Rows by reason, the most frequent first. All are in quarantine; only the rejected count for the limit.
    blanked : mapping of str to int
        Bad optional values of accepted rows that were blanked, by reason.
    first_day, last_day : str or None
        YYYY-MM-DD, of the accepted rows; None if the table has no dates.
    """

    where: str
    read: int
    accepted: int
    rejected: Mapping[str, int]
    merged: Mapping[str, int]
    blanked: Mapping[str, int]
    first_day: str | None
    last_day: str | None


@dataclass(frozen=True)
class MonthConversion:
    """Conversions in a calendar month, without those on an entity's first day.

    Attributes
    ----------
    month : str
        YYYY-MM.
    free, conversions : int
        Entities that had not converted when the month began and existed before it ended, and how many of them
        converted in it.
    active, active_conversions : int
        The same among entities with any usage by the start of the month.
    """

    month: str
    free: int
    conversions: int
    active: int
    active_conversions: int

    @property
    def rate(self) -> float:
        """Conversions over free entities; NaN without any."""
        return self.conversions / self.free if self.free else float("nan")

    @property
    def active_rate(self) -> float:
        """Conversions over free entities, among active ones."""
        return self.active_conversions / self.active if self.active else float("nan")


@dataclass(frozen=True)
class BlankRates:
    """Share of blanks in a column by outcome, and how many customers there are."""

    column: str
    customers: float
    noncustomers: float
    paid: int

    @property
    def filled_in(self) -> bool:
        """Whether customers have fewer than chance explains, as if blanks get filled in after paying."""
        fewer, theirs = self.noncustomers - self.customers, self.noncustomers
        luck = sqrt(theirs * (1 - theirs) / self.paid)
        return fewer > max(_BLANK_GAP, _BY_LUCK * luck)


@dataclass(frozen=True)
class IngestReport:
    """The result of an ingest.

    Attributes
    ----------
    id : str
        Of the snapshot.
    is_new : bool
        False if a snapshot with the same content exists already.
    as_of : str
        YYYY-MM-DD.
    companies, customers, usage_rows : int
        In the snapshot.
    tables : mapping of str to TableReport
    conversion : tuple of MonthConversion
        Months with known usage; the last one may be incomplete.
    blanks : tuple of BlankRates
        Blank rates by outcome, as a leak canary.
    notes, warnings : tuple of str
        Remarks, and problems to look into.
    words : Words
        What entities are called.
    """

    id: str
    path: Path
    is_new: bool
    as_of: str
    companies: int
    customers: int
    usage_rows: int
    tables: Mapping[str, TableReport]
    conversion: tuple[MonthConversion, ...]
    blanks: tuple[BlankRates, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    words: Words = PLAIN_WORDS


@dataclass(frozen=True)
class TableRead:
    """A table that was read.

    Attributes
    ----------
    name, where : str
        Name in the description; file or table.
    role : {"converted", "free", "purchases", "usage", "links"}
        ``converted`` if it has conversion days, ``free`` for other entities.
    read : int
        Number of rows.
    extra, lacks : tuple of str
        Ignored columns; attributes that it has no column for.
    first_day, last_day : str or None
        YYYY-MM-DD, of the accepted rows; None if the table has no dates.
    no_purchases : int
        Rows of purchases that are refunds, or for which nothing was paid.
    """

    name: str
    where: str
    role: str
    read: int
    extra: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    first_day: str | None = None
    last_day: str | None = None
    no_purchases: int = 0


def build(
    content: Content,
    usage: UsageSeen,
    quarantine: Quarantine,
    dates: DatesAfterExport,
    *,
    path: Path,
    is_new: bool,
    tables: Sequence[TableRead],
) -> IngestReport:
    """Report on a snapshot and what did not get into it.

    Parameters
    ----------
    usage : UsageSeen
        The usage in the snapshot.
    path : Path
        Folder of the snapshot.
    tables : sequence of TableRead
        In the order of the description.
    """
    closed = content.companies.converted_on
    reports = {}
    for one in tables:
        rejected, merged = quarantine.rejected(one.name), quarantine.merged(one.name)
        accepted = one.read - sum(rejected.values()) - sum(merged.values())
        blanked = quarantine.blanked(one.name)
        days = one.first_day, one.last_day
        reports[one.name] = TableReport(one.where, one.read, accepted, rejected, merged, blanked, *days)
    blanks = blank_rates(content.companies.is_blank, closed, content.form)
    since = content.companies.since if content.form.has_since else None
    told = [f"{one.name}: {note}" for one in tables for note in quarantine.notes(one.name)]
    told += [note for one in tables for note in quarantine.told_blanked(one.name, one.name)]
    of_usage: Counter[str] = Counter()
    for one in tables:
        if one.role == USAGE:
            of_usage.update(reports[one.name].rejected)
    return IngestReport(
        id=path.name,
        path=path,
        is_new=is_new,
        as_of=day_text(content.as_of),
        companies=len(closed),
        customers=int((closed != NEVER_CLOSED).sum()),
        usage_rows=usage.n_rows,
        tables=reports,
        conversion=conversion_by_month(closed, usage, content.as_of, since),
        blanks=blanks,
        notes=tuple(told + notes_on(content, usage, blanks, tables, of_usage, dates.export.usage_end)),
        warnings=tuple(dates.warnings(of_usage, content.form.words)),
        words=content.form.words,
    )


def conversion_by_month(
    closed: NDArray[np.int32], usage: UsageSeen, as_of: int, since: NDArray[np.int32] | None = None
) -> tuple[MonthConversion, ...]:
    """Count conversions in each month from the first usage row to ``as_of``.

    Parameters
    ----------
    closed : ndarray of shape (n_companies,), int32
        Days since 1970-01-01, `NEVER_CLOSED` for none.
    as_of : int
        Days since 1970-01-01.
    since : ndarray of shape (n_companies,), int32, optional
        First day of each company; it counts from the next day on.
    """
    if usage.days is None:
        return ()
    first = np.datetime64(usage.days[0], "D").astype("datetime64[M]")
    last = np.datetime64(as_of, "D").astype("datetime64[M]")
    months = []
    for month in np.arange(first, last + 1):
        start, end = (int(m.astype("datetime64[D]").astype(np.int64)) for m in (month, month + 1))
        free, active = closed >= start, usage.active_from < start
        if since is not None:
            free &= (since < end - 1) & (closed > since)
        converts = free & (closed < end) & (closed <= as_of)
        if start == as_of and not converts.any():
            break  # none of its days has passed
        counts = (free, converts, free & active, converts & active)
        months.append(MonthConversion(str(month), *(int(flags.sum()) for flags in counts)))
    return tuple(months)


def blank_rates(
    is_blank: Callable[[str], NDArray[np.bool_]], closed: NDArray[np.int32], form: Form
) -> tuple[BlankRates, ...]:
    """Return how often each attribute is blank for customers and for the others.

    Parameters
    ----------
    is_blank : callable
        Takes the name of an attribute, flags the companies of which it is not known.
    """
    paid = closed != NEVER_CLOSED
    if paid.all() or not paid.any():
        return ()
    blank = {one.name: is_blank(one.name) for one in form.attributes}
    return tuple(
        BlankRates(name, float(flags[paid].mean()), float(flags[~paid].mean()), int(paid.sum()))
        for name, flags in blank.items()
    )


def span(days: NDArray[np.generic]) -> tuple[str | None, str | None]:
    """Return the first and the last day as dates; None if there are no days."""
    return (day_text(int(days.min())), day_text(int(days.max()))) if len(days) else (None, None)
