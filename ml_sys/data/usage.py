"""Reduce usage rows to one per company and timestamp, sorted by company and time.

Invariant: which rows are kept depends on their content, never on their order. If rows contradict each other,
the one with the most actions and users is kept, because an export taken during a period counts too few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading.rows import BadRow, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.data.checking.validate import Checked
    from ml_sys.data.company_index import CompanyIndex, GrowingIndex
    from ml_sys.data.quarantine import Quarantine
    from ml_sys.form import Form, UsageTable

UNKNOWN_ID = "unknown id"
DUPLICATE = "exact duplicate"
CONFLICT = "conflicting usage row"
LATER = "later than the export"
UNFINISHED = "its period is not complete"

_SORTABLE_BITS = 63
_COLUMNS = ("company", "stamp", "measures", "lines")


@dataclass(frozen=True)
class UsageRows:
    """n usage rows.

    Attributes
    ----------
    company : ndarray of shape (n,), int32
        Position in the table of companies.
    stamp : ndarray of shape (n,), int64
        Microseconds of local time since 1970-01-01, in the description's time zone.
    measures : ndarray of shape (n, n_measures), of integers
        In the order of the table's measures, scaled by their decimals to whole numbers; possibly in a narrow
        type.
    lines : ndarray of shape (n,), of integers
    digits : tuple of int
        Decimals of the measures; empty if none has any.
    """

    company: NDArray[np.int32]
    stamp: NDArray[np.int64]
    measures: NDArray[Any]
    lines: NDArray[np.integer[Any]]
    digits: tuple[int, ...] = ()

    def take(self, at: NDArray[np.integer[Any]]) -> UsageRows:
        """Return the rows at some positions."""
        return replace(self, **{name: getattr(self, name).take(at, axis=0) for name in _COLUMNS})


@dataclass(frozen=True)
class UsageMeasures:
    """The measures of the form that are in one usage table.

    Attributes
    ----------
    table : str
        Its name in the description.
    names : tuple of str
        In the order of the form.
    places : tuple of int
        The position of each among the measures of the form.
    digits : tuple of int
        Decimals; empty if none has any.
    dtype : numpy.dtype
        Type of the form's values.
    """

    table: str
    names: tuple[str, ...]
    places: tuple[int, ...]
    digits: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, form: Form, table: UsageTable) -> UsageMeasures:
        """Return the measures of a table."""
        places = tuple(at for at, one in enumerate(form.measures) if one.name in set(table.measures))
        digits = tuple(form.measures[at].digits for at in places)
        names = tuple(form.measures[at].name for at in places)
        return cls(table.name, names, places, digits if any(digits) else (), values_dtype(form))

    def of_form(self, form: Form) -> UsageMeasures:
        """Return the measures of the same table in another form."""
        return UsageMeasures.of(form, next(one for one in form.tables if one.name == self.table))


def values_dtype(form: Form) -> np.dtype[Any]:
    """Return the type of usage values: int32 if all of them are counts, else int64."""
    counts = all(one.role != "amount" and not one.digits for one in form.measures)
    return np.dtype(np.int32 if counts else np.int64)


def of_companies(
    checked: Checked, index: CompanyIndex | GrowingIndex, measures: UsageMeasures
) -> tuple[UsageRows, list[BadRow]]:
    """Look up the company of each row of a batch.

    Parameters
    ----------
    checked : Checked
        A batch of usage rows.
    measures : UsageMeasures
        The measures of their table.

    Returns
    -------
    UsageRows
        Rows of known companies, in the order of the batch.
    list of BadRow
        The other rows.
    """
    named = checked.columns["id"]
    values = _side_by_side([checked.columns[name] for name in measures.names], measures.dtype)
    rows = UsageRows(index.positions(named), checked.columns["at"], values, checked.lines, measures.digits)
    unknown = rows.company < 0
    if not unknown.any():
        return rows, []
    strangers = np.flatnonzero(unknown)
    ids = named.take(strangers).to_pylist()
    reasons = [LOST_COMPANY if name in index.lost else UNKNOWN_ID for name in ids]
    return rows.take(np.flatnonzero(~unknown)), _bad(rows.take(strangers), ids, reasons)


def _side_by_side(columns: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Stack columns of whole numbers from 0, in a narrower type than the given one if that holds them."""
    largest = max(int(one.max(initial=0)) for one in columns)
    narrow = next((one for one in (np.int8, np.int16, np.int32) if largest <= np.iinfo(one).max), dtype)
    values = np.empty((len(columns[0]), len(columns)), narrow)
    for at, one in enumerate(columns):
        values[:, at] = one
    return values


def join(batches: list[UsageRows], measures: UsageMeasures) -> UsageRows:
    """Concatenate batches, emptying the list on the way so that no row is in memory twice for long."""
    n = sum(len(batch.stamp) for batch in batches)
    joined = UsageRows(
        np.empty(n, np.int32),
        np.empty(n, np.int64),
        np.empty((n, len(measures.names)), measures.dtype),
        np.empty(n, np.int64),
        measures.digits,
    )
    end = n
    while batches:
        batch = batches.pop()
        start = end - len(batch.stamp)
        for name in _COLUMNS:
            getattr(joined, name)[start:end] = getattr(batch, name)
        end = start
    return joined


def united(tables: Sequence[tuple[UsageRows, UsageMeasures]], form: Form) -> UsageRows:
    """Put the measures of several tables side by side; if a table has no row, its measures are 0.

    Parameters
    ----------
    tables : sequence of (UsageRows, UsageMeasures)
        One row per company and stamp, sorted by both.

    Returns
    -------
    UsageRows
        Sorted likewise, with all measures of the form. Lines are meaningful only if there is one table.
    """
    n_measures = len(form.measures)
    if len(tables) == 1 and tables[0][1].places == tuple(range(n_measures)):
        return tables[0][0]
    company = np.concatenate([rows.company for rows, _ in tables])
    stamp = np.concatenate([rows.stamp for rows, _ in tables])
    none = np.zeros((len(stamp), 0), np.int32)
    order, same = _sorted(UsageRows(company, stamp, none, stamp))
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(~same) - 1
    first = order[~same]
    values = np.zeros((len(first), n_measures), values_dtype(form))
    end = 0
    for rows, measures in tables:
        start, end = end, end + len(rows.stamp)
        values[group[start:end, None], np.array(measures.places, np.intp)] = rows.measures
    digits = tuple(one.digits for one in form.measures)
    return UsageRows(company[first], stamp[first], values, np.zeros(len(first), np.int64), digits)


def one_per_stamp(
    rows: UsageRows, index: CompanyIndex, place: tuple[str, Where], quarantine: Quarantine
) -> UsageRows:
    """Sort rows by company and stamp, and keep one of each.

    Parameters
    ----------
    place : (str, Where)
        Name of the table in the description; what it comes from.
    quarantine : Quarantine
        Gets repeated rows, and rows that contradict the one kept.
    """
    kept, dropped, repeats = one_of_each(rows)
    if dropped.size:
        again = rows.take(dropped)
        ids = index.ids.take(again.company).to_pylist()
        quarantine.add(*place, _bad(again, ids, np.where(repeats, DUPLICATE, CONFLICT).tolist()))
    return rows.take(kept)


def one_of_each(
    rows: UsageRows,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Choose one row of each company and stamp, for rows of a file or of a request.

    Returns
    -------
    kept : ndarray of shape (n_kept,), int64
        Positions of the rows to keep, sorted by company and stamp.
    dropped : ndarray of shape (n_dropped,), int64
        Positions of the others.
    repeats : ndarray of shape (n_dropped,), bool
        Whether a dropped row equals another one with its stamp; otherwise it contradicts them.
    """
    order, same = _sorted(rows)
    if not same.any():
        return order, order[:0], same[:0]
    tied = same | np.append(same[1:], False)  # every row that shares its company and stamp
    at, group = order[tied], np.cumsum(~same[tied])
    values = rows.measures[at].astype(np.int64)
    best = np.lexsort((rows.lines[at], *-values.T[::-1], -values.sum(axis=1), group))
    at, group, values = at[best], group[best], values[best]
    again = np.append(False, group[1:] == group[:-1])
    equal = np.append(False, (values[1:] == values[:-1]).all(axis=1))
    order[tied] = at
    keep = np.ones(len(order), np.bool_)
    keep[tied] = ~again
    return order[keep], at[again], equal[again]


def set_aside(
    rows: UsageRows,
    at: NDArray[np.intp],
    reasons: list[str],
    index: CompanyIndex,
    place: tuple[str, Where],
    quarantine: Quarantine,
) -> UsageRows:
    """Put the rows at some positions into quarantine, each with its reason, and return the others."""
    dropped = rows.take(at)
    quarantine.add(*place, _bad(dropped, index.ids.take(dropped.company).to_pylist(), reasons))
    keep = np.ones(len(rows.stamp), np.bool_)
    keep[at] = False
    return rows.take(np.flatnonzero(keep))


def _sorted(rows: UsageRows) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the order by company and stamp, and a mask of rows in it that share both with the row before."""
    n = len(rows.stamp)
    if not n:
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    offset = rows.stamp - rows.stamp.min()
    offset //= max(1, int(np.gcd.reduce(offset)))
    span = int(offset.max()) + 1
    place_bits = n.bit_length()
    if ((int(rows.company.max()) + 1) * span).bit_length() + place_bits <= _SORTABLE_BITS:
        # All three fit into one integer, and sorting integers is twice as fast as sorting rows.
        key = rows.company * np.int64(span)
        key += offset
        key <<= place_bits
        key |= np.arange(n)
        key.sort()
        order = key & ((1 << place_bits) - 1)
        key >>= place_bits
        return order, np.append(False, key[1:] == key[:-1])
    order = np.lexsort((offset, rows.company))
    company, offset = rows.company[order], offset[order]
    return order, np.append(False, (company[1:] == company[:-1]) & (offset[1:] == offset[:-1]))


def _bad(rows: UsageRows, ids: list[str], reasons: list[str]) -> list[BadRow]:
    """Write rows as id, stamp and measures, whatever they looked like: their content made them bad."""
    moments = np.datetime_as_string(rows.stamp.astype("datetime64[us]"), unit="us").tolist()
    stamps = [moment.replace("T", " ") for moment in moments]
    numbers = rows.measures.tolist()
    if any(rows.digits):
        numbers = [[f"{n / 10**at:.15g}" for n, at in zip(row, rows.digits, strict=True)] for row in numbers]
    raws = [",".join(map(str, (i, s, *v))) for i, s, v in zip(ids, stamps, numbers, strict=True)]
    return [BadRow(*entry) for entry in zip(rows.lines.tolist(), reasons, raws, strict=True)]
