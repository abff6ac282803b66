"""Decide whether a file's first line is a header, how many columns it names, and which of them twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ml_sys.data.reading.careful import decode
from ml_sys.data.reading.preamble import SOME_LINES, Preamble, preamble
from ml_sys.data.reading.textfile import open_text, reading
from ml_sys.errors import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

_SOME_ROWS = 1_000
_BEGINNING = 1 << 16
_A_NAME = re.compile(r"[^\W\d][\w .()%/#-]*")
_A_MONTH = re.compile(r"(19|20)\d\d[-_/.]?(0[1-9]|1[0-2])")
_SEVERAL = 3
_A_NUMBER = re.compile(r"[\W\d_]*")


def above_header(path: Path) -> Preamble:
    """Return what stands above the header of a CSV file."""
    stream = open_text(path)
    try:
        with reading(path):
            lines = stream.read(_BEGINNING).split(b"\n")
    finally:
        stream.close()
    return preamble([decode(line.removesuffix(b"\r")) or "" for line in lines[:SOME_LINES]])


def is_header(values: Sequence[Any], *, says: bool, sure: bool) -> bool:
    """Return whether the first line is a header, also if every value is text, as DuckDB cannot tell then."""
    texts = [str(one or "").strip() for one in values]
    months = [one for one in texts if _A_MONTH.fullmatch(one)]
    if len(months) >= _SEVERAL and months == sorted(set(months)):  # one column for each
        texts = [one for one in texts if one not in months]
        return bool(texts) and all(_A_NAME.fullmatch(one) for one in texts)
    texts = texts[1:] if len(texts) > 1 and not texts[0] else texts  # an index, as pandas writes it
    if not sure and len({one.casefold() for one in texts}) < len(texts):
        return False
    if sure and not any(_A_NUMBER.fullmatch(one) for one in texts):
        return True
    return all(_A_NAME.fullmatch(one) for one in texts) and (says or not any("@" in one for one in texts))


def without_names(
    connection: duckdb.DuckDBPyConnection, opened: str, first_line: Sequence[Any], path: Path
) -> int:
    """Count the columns, without a last one that has no name and no values, as if lines end in a comma.

    Raises
    ------
    UnreadableFileError
        If rows have more values than the first line has names.
    """
    n = len(first_line)
    if n < 3 or first_line[-1] or not all(_A_NAME.fullmatch(str(one or "")) for one in first_line[1:-1]):
        return n
    names = [*(f"c{at}" for at in range(n - 1)), "v"]
    found = connection.execute(
        f"SELECT count(v) FROM (SELECT * FROM {opened}, header = false, null_padding = true, "
        f"parallel = false) LIMIT {_SOME_ROWS}) AS read({', '.join(names)})"
    ).fetchone()
    if found and found[0]:
        raise UnreadableFileError(
            path,
            f"its rows have {n} values, but its first line has only {n - 1} names",
            hint="give every column a name",
        )
    return n - 1


def named_twice(names: Sequence[Any]) -> frozenset[int]:
    """Return the positions of columns that share a name, so that the name is ambiguous."""
    folded = [str(one or "").strip().casefold() for one in names]
    return frozenset(at for at, one in enumerate(folded) if one and folded.count(one) > 1)
