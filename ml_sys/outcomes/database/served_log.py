"""Adds predictions of the service up in the database: its log holds too many rows to be loaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import (
    Date,
    Integer,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    type_coerce,
    values,
)

from ml_sys.outcomes.database.tables import predictions
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Select

_AT_ONCE = 500  # companies that one statement names
_ROWS = 10_000
_EPOCH_JULIAN = 2440587.5  # 1970-01-01 as SQLite counts days
_DATE_DIGITS = 10


@dataclass(frozen=True)
class Windows:
    """Predictions whose outcome is known, in windows as long as the horizon.

    Attributes
    ----------
    versions : tuple of str
        Of one horizon.
    horizon_days : int
    until : int
        First day of which the outcome is not known yet; the last window ends before it.
    since : int or None
        First day that counts.
    """

    versions: tuple[str, ...]
    horizon_days: int
    until: int
    since: int | None = None


def versions_served(connection: Connection) -> tuple[str, ...]:
    """Return the versions that gave predictions."""
    return tuple(sorted(connection.scalars(select(predictions.c.version).distinct())))


def by_day(connection: Connection, since: int, until: int, edges: Sequence[float]) -> pd.DataFrame:
    """Count predictions by day, version and how high they are.

    Parameters
    ----------
    connection : Connection
    since, until : int
        First day, and the first one that does not count, in UTC.
    edges : sequence of float
        Ascending; the first bin lies below the first of them.

    Returns
    -------
    DataFrame
        With the columns ``day``, ``version``, ``bin``, ``predictions``, ``total`` (sum of the probabilities),
        ``least`` and ``most``.
    """
    held = predictions.c
    place = case(*((held.probability < edge, at) for at, edge in enumerate(edges)), else_=len(edges))
    each = (
        select(
            func.substr(held.at, 1, _DATE_DIGITS).label("day"),
            held.version,
            place.label("bin"),
            held.probability,
        )
        .where(held.at >= date_of(since), held.at < date_of(until))
        .subquery()
        .c
    )
    wanted = select(
        each.day, each.version, each.bin, func.count(), func.sum(each.probability),
        func.min(each.probability), func.max(each.probability),
    ).group_by(each.day, each.version, each.bin)  # fmt: skip
    names = ["day", "version", "bin", "predictions", "total", "least", "most"]
    return pd.DataFrame([tuple(row) for row in connection.execute(wanted)], columns=names)


def promised(connection: Connection, windows: Windows) -> Iterator[tuple[str, str, int, float, float]]:
    """Yield of each company and version what its last predictions in each window promised together.

    Yields
    ------
    company, version : str
    predictions : int
    promised, squares : float
        Sums of the probabilities and of their squares.
    """
    last = _last(connection, windows).subquery().c
    wanted = select(
        last.company, last.version, func.count(), func.sum(last.probability),
        func.sum(last.probability * last.probability),
    ).group_by(last.company, last.version)  # fmt: skip
    rows = connection.execution_options(yield_per=_ROWS).execute(wanted)
    for company, version, count, total, squares in rows:
        yield company, version, int(count), float(total), float(squares)


def last_of(
    connection: Connection, windows: Windows, paid: Mapping[str, int]
) -> Iterator[tuple[str, str, int, float]]:
    """Yield company, version, day and probability of the last prediction in each window of who has paid.

    Parameters
    ----------
    connection : Connection
    windows : Windows
    paid : mapping of str to int
        Day on which each company did; predictions after it do not count.
    """
    names = list(paid)
    for at in range(0, len(names), _AT_ONCE):
        held = [(name, date_of(paid[name] + 1)) for name in names[at : at + _AT_ONCE]]
        payers = values(column("company", Text), column("until", Text), name="payers").data(held).cte()
        rows = connection.execute(_last(connection, windows, payers))
        for company, version, day, probability in rows:
            yield company, version, int(day), float(probability)


def _last(connection: Connection, windows: Windows, payers: CTE | None = None) -> Select[tuple[Any, ...]]:
    """Select the last prediction of each company in each window."""
    held, horizon = predictions.c, windows.horizon_days
    day = _day(connection, held.at)
    window = (day + (-windows.until) % horizon) // horizon
    wanted = select(
        held.company, held.at, held.version, held.probability, day.label("day"), window.label("window")
    ).where(
        held.company.is_not(None), held.version.in_(windows.versions), held.at < date_of(windows.until)
    )  # fmt: skip
    if windows.since is not None:
        wanted = wanted.where(held.at >= date_of(windows.since))
    if payers is not None:
        wanted = wanted.join(payers, and_(held.company == payers.c.company, held.at < payers.c.until))
    each = wanted.subquery().c
    following = func.lead(each.window).over(partition_by=each.company, order_by=each.at)
    columns = (each.company, each.version, each.day, each.probability, each.window)
    every = select(*columns, following.label("following")).subquery().c
    return select(every.company, every.version, every.day, every.probability).where(
        or_(every.following.is_(None), every.following != every.window)
    )


def _day(connection: Connection, at: ColumnElement[str]) -> ColumnElement[int]:
    """Return the day of a time as days since 1970-01-01."""
    text = func.substr(at, 1, _DATE_DIGITS)
    if connection.dialect.name == "sqlite":
        return cast(func.julianday(text) - _EPOCH_JULIAN, Integer)
    return type_coerce(cast(text, Date) - literal(date(1970, 1, 1), Date), Integer)
