"""Checks rows one by one: texts in; typed values of the good rows out, and the others with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data import values
from ml_sys.data.rows import BadRow, Rows
from ml_sys.data.schema import MEASURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    """

    columns: dict[str, Any]
    lines: NDArray[np.int64]
    bad: list[BadRow]
    bad_ids: list[str]


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
    rows : Rows
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
    reasons: dict[int, str] = {}
    for field, column in found.items():
        if column.faults is not None:
            for i in np.flatnonzero(column.faults).tolist():
                fault = values.Fault(column.faults[i])
                reasons.setdefault(i, f"{columns[field]} {fault.reason}")
    bad = list(rows.bad)
    if not reasons:
        return Checked(typed, rows.lines, bad, [])
    at = np.fromiter(sorted(reasons), np.intp, len(reasons))
    bad += [BadRow(int(rows.lines[i]), reasons[i], rows.raw(i)) for i in at.tolist()]
    bad_ids = [name for name in typed["id"].take(pa.array(at)).to_pylist() if name]
    good = np.ones(len(rows.lines), np.bool_)
    good[at] = False
    return Checked(
        {field: select(column, good) for field, column in typed.items()}, rows.lines[good], bad, bad_ids
    )


def select(column: Any, keep: NDArray[np.bool_]) -> Any:
    """Keep the flagged values of a numpy or Arrow array."""
    return column[keep] if isinstance(column, np.ndarray) else column.filter(pa.array(keep))
