"""Match the columns of tables, and constants for days that never came.

Invariant: outside the sources a field goes by its name in the description; the user's own column names appear
in reasons and messages.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from ml_sys.errors import MissingColumnError, RepeatedColumnError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# Names of the tables of the default description.
CUSTOMERS: Final = "customers"
NONCUSTOMERS: Final = "noncustomers"
USAGE: Final = "usage"

NEVER_CLOSED: Final = int(np.iinfo(np.int32).max)
NEVER_BEGAN: Final = int(np.iinfo(np.int32).min)


def matched_columns(
    where: str, present: Sequence[str], columns: Mapping[str, str], may_lack: Collection[str] = ()
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Match the fields of a table with its columns, each of which must be there exactly once.

    Parameters
    ----------
    where : str
        File or table, for messages.
    present : sequence of str
        Columns of the table.
    columns : mapping of str to str
        Field to column.
    may_lack : collection of str
        Fields that may be missing.

    Returns
    -------
    columns : dict of str to str
        Field to column, for the columns that are there, in their order.
    extra : tuple of str
        Other columns.

    Raises
    ------
    RepeatedColumnError
        If a needed column appears twice; extra columns may.
    MissingColumnError
        If a column is missing; names must match exactly, and the error names the nearest one.
    """
    found = Counter(present)
    for field, column in columns.items():
        if found[column] > 1:
            raise RepeatedColumnError(where, column)
        if not found[column] and field not in may_lack:
            raise MissingColumnError(where, column, present)
    kept = {field: column for name in found for field, column in columns.items() if column == name}
    return kept, tuple(name for name in found if name not in columns.values())


def lacking(columns: Mapping[str, str], found: Mapping[str, str]) -> frozenset[str]:
    """Return the fields whose column is missing."""
    return frozenset(columns.keys() - found.keys())
