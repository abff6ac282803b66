"""The three tables: canonical field names, and how they map to the columns of a user's export.

Invariant: outside the sources a field is known by its canonical name (the lower-case key of ``[schema]``);
the user's own names come back in reasons and messages.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from ml_sys.errors import MissingColumnError, RepeatedColumnError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.settings import SchemaSettings

CUSTOMERS: Final = "customers"
NONCUSTOMERS: Final = "noncustomers"
USAGE: Final = "usage"
TABLES = (CUSTOMERS, NONCUSTOMERS, USAGE)

ACTIONS = ("actions_crm_contacts", "actions_crm_companies", "actions_crm_deals", "actions_email")
USERS = ("users_crm_contacts", "users_crm_companies", "users_crm_deals", "users_email")
MEASURES = ACTIONS + USERS
FIRMOGRAPHICS = ("alexa_rank", "employee_range", "industry")

# A bad value of these is left blank; a bad one of any other field costs the row.
OPTIONAL = ("mrr", "alexa_rank")

FIELDS: Mapping[str, tuple[str, ...]] = {
    CUSTOMERS: ("id", "closedate", "mrr", *FIRMOGRAPHICS),
    NONCUSTOMERS: ("id", *FIRMOGRAPHICS),
    USAGE: ("id", "when_timestamp", *MEASURES),
}

NEVER_CLOSED: Final = int(np.iinfo(np.int32).max)
NEVER_BEGAN: Final = int(np.iinfo(np.int32).min)


def column_names(table: str, names: SchemaSettings) -> dict[str, str]:
    """Return the column that holds each field of a table.

    Parameters
    ----------
    table : str
        One of `TABLES`.
    names : SchemaSettings
        The user's column names.

    Returns
    -------
    dict of str to str
        Canonical name to column, in the order of `FIELDS`.
    """
    return {field: getattr(names, field) for field in FIELDS[table]}


def extra_columns(where: str, present: Sequence[str], columns: Mapping[str, str]) -> tuple[str, ...]:
    """Check that every column of a table is there exactly once, and return those that nobody asked for.

    Parameters
    ----------
    where : str
        File or table, for messages.
    present : sequence of str
        Columns found.
    columns : mapping of str to str
        Canonical name to column.

    Raises
    ------
    RepeatedColumnError
        If a column of the schema appears twice; extra columns may.
    MissingColumnError
        If one is missing; case and surrounding spaces count, and the nearest match is named.
    """
    found = Counter(present)
    for field, column in columns.items():
        if found[column] > 1:
            raise RepeatedColumnError(where, column)
        if not found[column]:
            raise MissingColumnError(where, column, present, setting=field)
    return tuple(name for name in found if name not in columns.values())
