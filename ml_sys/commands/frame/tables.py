"""Flags that say where tables are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ml_sys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TablesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--table",
        metavar="NAME=WHERE",
        help="File, folder, address, table or query of a described table; may be repeated.",
    ),
]


def places(named: Mapping[str, str | None], tables: Sequence[str] | None) -> dict[str, str] | None:
    """Return the place of each table that a flag names; None if there are none.

    Parameters
    ----------
    named : mapping of str to (str or None)
        Places of tables that have their own flag.
    tables : sequence of str, optional
        Values of ``--table``.

    Raises
    ------
    UsageError
        If one has no name or no place.
    """
    found = {name: where for name, where in named.items() if where is not None}
    for one in tables or ():
        name, _, where = one.partition("=")
        if not (name.strip() and where.strip()):
            raise UsageError(f"--table {one}: not a table and its place", hint="write --table NAME=WHERE")
        found[name.strip()] = where.strip()
    return found or None
