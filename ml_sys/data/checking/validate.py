"""Validate rows: turn texts into typed values, and set bad rows aside with a reason.

Invariant: a bad value of an optional field is blanked and counted; it never costs the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking import values
from ml_sys.data.checking.scalars import Fault
from ml_sys.data.reading.rows import BadRow, Rows
from ml_sys.data.schema import MEASURES, OPTIONAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER = "repeats the header"
Reader = Callable[[pa.StringArray], values.Column]


@dataclass(frozen=True)
class Checked:
    """A batch after validation.

    Attributes
    ----------
    columns : dict of str to array of length n
        Values of the n good rows: id, employee_range and industry as `pyarrow.StringArray`, alexa_rank and
        mrr as float64, closedate as int32 days, when_timestamp as int64 microseconds, measures as int32.
    lines : ndarray of shape (n,), int64
    bad : list of BadRow
        All other rows of the batch.
    bad_ids : list of str
        Ids of those that have one.
    blanked : dict of str to list of int
        Reason to the lines of good rows in which an optional value was bad and is blank instead.
    """

    columns: dict[str, Any]
    lines: NDArray[np.int64]
    bad: list[BadRow]
    bad_ids: list[str]
    blanked: dict[str, list[int]]


def readers(unranked: float) -> dict[str, Reader]:
    """Return the reader of each field.

    Parameters
    ----------
    unranked : float
        The rank that means unranked.
    """
    return {
        "id": values.ids,
        "closedate": values.days,
        "when_timestamp": values.stamps,
        "mrr": values.amounts,
        "alexa_rank": partial(values.ranks, unranked=unranked),
        "employee_range": values.free_texts,
        "industry": values.free_texts,
        **dict.fromkeys(MEASURES, values.counts),
    }


def check(rows: Rows, columns: Mapping[str, str], unranked: float) -> Checked:
    """Read every value of a batch.

    Parameters
    ----------
    columns : mapping of str to str
        Canonical name to the user's column, which reasons name.
    unranked : float
        The rank that means unranked.

    Returns
    -------
    Checked
        A row with several faults is listed once, with the fault of the first column in the schema's order.
    """
    read = readers(unranked)
    found = {field: read[field](rows.texts[field]) for field in columns}
    typed = {field: column.values for field, column in found.items()}
    reasons = dict.fromkeys(_headers(rows, columns), HEADER)
    for field in (name for name in found if name not in OPTIONAL):
        for i, fault in _faults(found[field]):
            reasons.setdefault(i, f"{columns[field]} {fault.reason}")
    blanked: dict[str, list[int]] = {}
    for field in (name for name in OPTIONAL if name in found):
        for i, fault in _faults(found[field]):
            typed[field][i] = np.nan
            if i not in reasons:
                blanked.setdefault(f"{columns[field]} {fault.reason}", []).append(int(rows.lines[i]))
    bad = list(rows.bad)
    if not reasons:
        return Checked(typed, rows.lines, bad, [], blanked)
    at = np.fromiter(sorted(reasons), np.intp, len(reasons))
    bad += [BadRow(int(rows.lines[i]), reasons[i], rows.raw(i)) for i in at.tolist()]
    bad_ids = [name for name in typed["id"].take(pa.array(at)).to_pylist() if name]
    good = np.ones(len(rows.lines), np.bool_)
    good[at] = False
    return Checked(
        {field: select(column, good) for field, column in typed.items()},
        rows.lines[good],
        bad,
        bad_ids,
        blanked,
    )


def _headers(rows: Rows, columns: Mapping[str, str]) -> list[int]:
    """Return the places of rows that say the names of the columns, as joined exports do."""
    named = pc.equal(rows.texts["id"], pa.scalar(columns["id"])).to_numpy(zero_copy_only=False)
    return [
        i
        for i in np.flatnonzero(named).tolist()
        if all(rows.texts[field][i].as_py() == column for field, column in columns.items())
    ]


def _faults(column: values.Column) -> list[tuple[int, Fault]]:
    """Return the place and kind of each fault in a column."""
    if column.faults is None:
        return []
    return [(i, Fault(column.faults[i])) for i in np.flatnonzero(column.faults).tolist()]


def select(column: Any, keep: NDArray[np.bool_]) -> Any:
    """Keep the flagged values of a numpy or Arrow array."""
    return column[keep] if isinstance(column, np.ndarray) else column.filter(pa.array(keep))
