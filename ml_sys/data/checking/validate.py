"""Validate rows: turn texts into typed values, and set bad rows aside with a reason.

Invariant: a bad value of an optional field is blanked and counted; the row is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import Column
from ml_sys.data.checking.scalars import Fault
from ml_sys.data.reading.rows import BadRow, CountedPart, RawRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ml_sys.data.fields import Field
    from ml_sys.data.reading.rows import Part

HEADER = "repeats the header"


@dataclass(frozen=True)
class Checked:
    """A batch after validation.

    Attributes
    ----------
    columns : dict of str to array of length n
        Values of the n good rows, by field: texts as `pyarrow.StringArray`, numbers as float64, days as
        int32, moments as int64 microseconds, measures as int32 or int64.
    lines : ndarray of shape (n,), int64
    bad : list of BadRow
        All other rows of the batch.
    bad_ids : list of str
        Ids of the bad rows, as far as they have one.
    blanked : dict of str to list of int
        Reason to the lines of good rows in which a bad optional value was blanked.
    """

    columns: dict[str, Any]
    lines: NDArray[np.int64]
    bad: list[BadRow]
    bad_ids: list[str]
    blanked: dict[str, list[int]]


def check_part(part: Part, fields: Mapping[str, Field]) -> Checked:
    """Read a part and check it like :func:`check`, reading counts without making texts of them."""
    if not isinstance(part, CountedPart):
        return check(part(), fields)
    # The name of a column may be repeated among its rows, and must not be read as a count.
    counts = [name for name, one in fields.items() if one.is_count and not one.column.isdigit()]
    return check(part.counted(counts), fields)


def check(rows: RawRows, fields: Mapping[str, Field]) -> Checked:
    """Read every value of a batch.

    Parameters
    ----------
    fields : mapping of str to Field
        Fields of the batch, in the order in which they are checked.

    Returns
    -------
    Checked
        A row with several faults is listed once, with the fault of the first such column.
    """
    found = {
        name: Column(rows.counts[name], None) if name in rows.counts else field.read(rows.texts[name])
        for name, field in fields.items()
    }
    typed = {name: column.values for name, column in found.items()}
    reasons = dict.fromkeys(_headers(rows, fields), HEADER)
    for name in (name for name, field in fields.items() if not field.blanked):
        for i, fault in _faults(found[name]):
            reasons.setdefault(i, f"{fields[name].column} {fault.reason}")
    blanked: dict[str, list[int]] = {}
    for name in (name for name, field in fields.items() if field.blanked):
        for i, fault in _faults(found[name]):
            if i not in reasons:
                blanked.setdefault(f"{fields[name].column} {fault.reason}", []).append(int(rows.lines[i]))
    bad = list(rows.bad)
    if not reasons:
        return Checked(typed, rows.lines, bad, [], blanked)
    at = np.fromiter(sorted(reasons), np.intp, len(reasons))
    bad += [BadRow(int(rows.lines[i]), reasons[i], rows.raw(i)) for i in at.tolist()]
    named = typed["id"].take(pa.array(at)).to_pylist() if "id" in typed else []
    bad_ids = [name for name in named if name]
    good = np.ones(len(rows.lines), np.bool_)
    good[at] = False
    return Checked(
        {field: select(column, good) for field, column in typed.items()},
        rows.lines[good],
        bad,
        bad_ids,
        blanked,
    )


def _headers(rows: RawRows, fields: Mapping[str, Field]) -> list[int]:
    """Return the positions of rows that repeat the header, as in concatenated exports."""
    if rows.counts:
        return []
    first = next(iter(fields))
    named = pc.equal(rows.texts[first], pa.scalar(fields[first].column)).to_numpy(zero_copy_only=False)
    return [
        i
        for i in np.flatnonzero(named).tolist()
        if all(rows.texts[name][i].as_py() == field.column for name, field in fields.items())
    ]


def _faults(column: Column) -> list[tuple[int, Fault]]:
    """Return the position and kind of each fault in a column."""
    if column.faults is None:
        return []
    return [(i, Fault(column.faults[i])) for i in np.flatnonzero(column.faults).tolist()]


def select(column: Any, keep: NDArray[np.bool_]) -> Any:
    """Keep the flagged values of a numpy or Arrow array."""
    return column[keep] if isinstance(column, np.ndarray) else column.filter(pa.array(keep))
