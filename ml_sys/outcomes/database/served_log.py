"""Add up the service's predictions inside the database, as its log is too large to load."""

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
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    values,
)

from ml_sys.days import EPOCH, day_number
from ml_sys.outcomes.database.tables import predictions, served_inputs
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Select

_AT_ONCE = 500  # companies that one statement names
_ROWS = 10_000
_EPOCH_JULIAN = 2440587.5  # 1970-01-01 as SQLite counts days
_DATE_DIGITS = 10
# With this many predictions a company, looking it up in each window is quicker than reading all in order.
_OFTEN = 20


@dataclass(frozen=True)
class Windows:
    """Windows as long as the horizon, of predictions whose outcome is known.

    Attributes
    ----------
    versions : tuple of str
        Of one horizon.
    horizon_days : int
    until : int
        First day whose outcome is not known yet; the last window ends before it.
    since : int or None
        First day to count.
    """

    versions: tuple[str, ...]
    horizon_days: int
    until: int
    since: int | None = None


def versions_served(connection: Connection) -> tuple[str, ...]:
    """Return the versions that gave predictions."""
    return tuple(sorted(connection.scalars(select(predictions.c.version).distinct())))


def by_day(connection: Connection, since: int, until: int, edges: Sequence[float]) -> pd.DataFrame:
    """Count predictions by day, version and bin of probability.

    Parameters
    ----------
    connection : Connection
    since, until : int
        First day, and the day after the last, in UTC.
    edges : sequence of float
        Ascending; the first bin lies below the first edge.

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


def inputs_by_day(connection: Connection, since: int, until: int) -> pd.DataFrame:
    """Return how many predictions of each day and version had blank or unknown values.

    Returns
    -------
    DataFrame
        With the columns ``day``, ``version``, ``input`` (empty for all predictions) and ``predictions``.
    """
    held = served_inputs.c
    wanted = select(served_inputs).where(held.day >= date_of(since), held.day < date_of(until))
    rows = [tuple(row) for row in connection.execute(wanted)]
    return pd.DataFrame(rows, columns=["day", "version", "input", "predictions"])


def promised(connection: Connection, windows: Windows) -> Iterator[tuple[str, str, int, float, float]]:
    """Yield for each company and version the sum of its last prediction in each window.

    Yields
    ------
    company, version : str
    predictions : int
    promised, squares : float
        Sums of the probabilities and of their squares.
    """
    starts = _starts(connection, windows)
    rows = _last(connection, windows) if starts is None else _looked_up(windows, starts)
    last = rows.subquery().c
    wanted = (
        select(
            last.company, last.version, func.count(), func.sum(last.probability),
            func.sum(last.probability * last.probability),
        )
        .group_by(last.company, last.version)
    )  # fmt: skip
    found = connection.execution_options(yield_per=_ROWS).execute(wanted)
    for company, version, count, total, squares in found:
        yield company, version, int(count), float(total), float(squares)


def last_of(
    connection: Connection, windows: Windows, paid: Mapping[str, int]
) -> Iterator[tuple[str, str, int, float]]:
    """Yield company, version, day and probability of each paying company's last prediction in each window.

    Parameters
    ----------
    connection : Connection
    windows : Windows
    paid : mapping of str to int
        Day on which each company paid; later predictions do not count.
    """
    names, starts = list(paid), _starts(connection, windows) if paid else None
    for at in range(0, len(names), _AT_ONCE):
        held = [(name, date_of(paid[name] + 1)) for name in names[at : at + _AT_ONCE]]
        payers = values(column("company", Text), column("until", Text), name="payers").data(held).cte()
        wanted = _last(connection, windows, payers) if starts is None else _looked_up(windows, starts, payers)
        for company, time, version, probability in connection.execute(wanted):
            yield company, version, _day(time), float(probability)


def _starts(connection: Connection, windows: Windows) -> range | None:
    """Return the first days of windows to look each company up in; None to read all predictions in order.

    If companies are asked about often, looking them up takes SQLite a third of the time that reading a few
    million predictions in order takes.
    """
    if connection.dialect.name != "sqlite":
        return None
    number = literal_column("rowid", Integer)
    first, last = (
        connection.scalar(select(number).select_from(predictions).order_by(by).limit(1))
        for by in (number, number.desc())
    )
    most = 0 if first is None or last is None else (last - first + 1) // _OFTEN
    names = select(_companies()).limit(most + 2).subquery()  # the last one is none
    its_first = (
        select(func.min(predictions.c.at)).where(predictions.c.company == names.c.company).scalar_subquery()
    )
    companies, earliest = connection.execute(select(func.count(names.c.company), func.min(its_first))).one()
    if not 0 < companies <= most:
        return None
    since = _day(earliest) if windows.since is None else windows.since
    horizon = windows.horizon_days
    starts = range(windows.until - horizon, since - horizon, -horizon)
    return starts if companies * len(starts) <= most * _OFTEN else None


def _companies() -> CTE:
    """Select every company, each by looking up the one after the last, and null at the end."""
    company = predictions.c.company
    names = select(func.min(company).label("company")).where(company.is_not(None)).cte(recursive=True)
    following = select(func.min(company)).where(company > names.c.company).scalar_subquery()
    return names.union_all(select(following).where(names.c.company.is_not(None)))


def _looked_up(windows: Windows, starts: range, payers: CTE | None = None) -> Select[tuple[Any, ...]]:
    """Select the last prediction of each company in each window by looking it up."""
    since = starts[-1] if windows.since is None else windows.since
    bounds = [(date_of(max(one, since)), date_of(one + windows.horizon_days)) for one in starts]
    window = values(column("start", Text), column("end", Text), name="windows").data(bounds).cte()
    names = _companies() if payers is None else payers
    one, any_, later = (predictions.alias(name) for name in ("one", "any_one", "later"))
    last = select(func.max(any_.c.at)).where(
        any_.c.company == names.c.company,
        any_.c.version.in_(windows.versions),
        any_.c.at >= window.c.start,
        any_.c.at < window.c.end,
    )
    if payers is not None:
        last = last.where(any_.c.at < payers.c.until)
    of_these, of_those = (
        tuple_(each.c.version, each.c.probability, literal_column(f"{each.name}.rowid"))
        for each in (one, later)
    )
    # Of those at the same moment, the one that the other way takes.
    is_followed = exists(literal(1)).where(
        later.c.company == one.c.company,
        later.c.at == one.c.at,
        later.c.version.in_(windows.versions),
        of_those > of_these,
    )
    # The join from the left makes SQLite take the companies one after the other, as they lie on the disk.
    return (
        select(one.c.company, one.c.at, one.c.version, one.c.probability)
        .select_from(names.join(window, true(), isouter=True))
        .join(one, and_(one.c.company == names.c.company, one.c.at == last.scalar_subquery()))
        .where(one.c.version.in_(windows.versions), ~is_followed)
    )


def _last(connection: Connection, windows: Windows, payers: CTE | None = None) -> Select[tuple[Any, ...]]:
    """Select the last prediction of each company in each window by going through all of them in order."""
    held, horizon = predictions.c, windows.horizon_days
    window = (_days(connection, held.at) + (-windows.until) % horizon) // horizon
    wanted = select(held.company, held.at, held.version, held.probability, window.label("window")).where(
        held.company.is_not(None), held.version.in_(windows.versions), held.at < date_of(windows.until)
    )
    if windows.since is not None:
        wanted = wanted.where(held.at >= date_of(windows.since))
    if payers is not None:
        wanted = wanted.join(payers, and_(held.company == payers.c.company, held.at < payers.c.until))
    each = wanted.subquery().c
    in_order = (each.at, each.version, each.probability)
    following = func.lead(each.window).over(partition_by=each.company, order_by=in_order)
    every = select(each.company, *in_order, each.window, following.label("following")).subquery().c
    return select(every.company, every.at, every.version, every.probability).where(
        or_(every.following.is_(None), every.following != every.window)
    )


def _days(connection: Connection, at: ColumnElement[str]) -> ColumnElement[int]:
    """Return the day of a time as days since 1970-01-01."""
    text = func.substr(at, 1, _DATE_DIGITS)
    if connection.dialect.name == "sqlite":
        return cast(func.julianday(text) - _EPOCH_JULIAN, Integer)
    return type_coerce(cast(text, Date) - literal(EPOCH, Date), Integer)


def _day(time: str) -> int:
    return day_number(date.fromisoformat(time[:_DATE_DIGITS]))
