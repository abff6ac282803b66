"""Quarantine: rejected rows with table, file, line, reason and text, and counts of blanked values."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ml_sys.data.reading.rows import FileLines
from ml_sys.form import PLAIN_WORDS
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from ml_sys.data.parts.sorted_rows import ManyRows, SortedFile
    from ml_sys.data.reading.rows import BadRow, Where
    from ml_sys.form import Words

FIELDS = ("table", "file", "line", "reason", "raw")
# Rows beyond go to a temporary file.
ROWS_IN_MEMORY = 250_000
_ORDER = ("table", "reason", "raw", "file", "line")

# The content of a merged row is in the company that is kept, so it is counted apart from bad rows.
MERGED_DUPLICATE = "duplicate company, merged"
MERGED_CUSTOMER = "also a customer"
MERGED_EVENT = "repeated event, merged"
MERGED = frozenset({MERGED_DUPLICATE, MERGED_CUSTOMER, MERGED_EVENT})
# Reasons about companies and customers, whatever a description calls them.
CONFLICT = "conflicting company rows"
CUSTOMER_IN_QUARANTINE = "its customer row is in quarantine"
LOST_COMPANY = "its company is in quarantine"
UNCOVERED = "so few companies report in its period"
_OF_ENTITIES = frozenset(
    {MERGED_DUPLICATE, MERGED_CUSTOMER, CONFLICT, CUSTOMER_IN_QUARANTINE, LOST_COMPANY, UNCOVERED}
)


def in_words(reason: str, words: Words) -> str:
    """Return a reason in the words of a description; reasons about a column stay unchanged."""
    return words.spoken(reason) if reason in _OF_ENTITIES else reason


class Quarantine:
    """Collect rejected rows, and count blanked values in accepted rows, by table.

    Parameters
    ----------
    words : Words
        The words to use in reasons.
    stack : ExitStack, optional
        Removes the temporary file for rows that are too many; without it all rows stay in memory.
    most : int
        Number of rows that stay in memory.
    """

    def __init__(
        self, words: Words = PLAIN_WORDS, stack: ExitStack | None = None, most: int = ROWS_IN_MEMORY
    ) -> None:
        self._words = words
        self._stack = stack
        self._most = most
        self._n_held = 0
        self._many: ManyRows | None = None
        self._merged = {in_words(one, words) for one in MERGED}
        self._blanked: dict[str, dict[str, tuple[int, int]]] = {}
        self._where_blanked: dict[str, Where] = {}
        self._notes: dict[str, list[str]] = {}
        self._batches = [_batch("", "", (), ())]
        self._counts: dict[str, Counter[str]] = {}
        self._lock = Lock()

    def add(self, table: str, where: Where, rows: Sequence[BadRow]) -> None:
        """Add rows of a table from a file; safe to call from several threads."""
        if rows:
            reasons = [self.said(row.reason) for row in rows]
            batch = _batch(table, where, rows, reasons)
            with self._lock:
                self._keep(batch)
                self._counts.setdefault(table, Counter()).update(reasons)

    def said(self, reason: str) -> str:
        """Return a reason in the words used here."""
        return in_words(reason, self._words)

    @property
    def tables(self) -> list[str]:
        """Names of the tables with any entries."""
        return sorted({*self._counts, *self._blanked, *self._notes})

    def rejected(self, table: str) -> Mapping[str, int]:
        """Return the number of rejected rows by reason, the most frequent first."""
        return {reason: n for reason, n in self._counted(table) if reason not in self._merged}

    def merged(self, table: str) -> Mapping[str, int]:
        """Return the number of rows merged into a row that is kept, by reason."""
        return {reason: n for reason, n in self._counted(table) if reason in self._merged}

    def add_blanked(self, table: str, where: Where, found: Mapping[str, Sequence[int]]) -> None:
        """Add blanked values of a table: reason to the lines with such values."""
        self._where_blanked[table] = where
        known = self._blanked.setdefault(table, {})
        for reason, lines in found.items():
            n, first = known.get(reason, (0, lines[0]))
            known[reason] = n + len(lines), min(first, *lines)

    def blanked(self, table: str) -> Mapping[str, int]:
        """Return the number of blanked values by reason, the most frequent first."""
        counts = {reason: n for reason, (n, _) in self._blanked.get(table, {}).items()}
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))

    def told_blanked(self, table: str, called: str) -> list[str]:
        """Say for each kind of blanked value in how many rows it occurs, and where first."""
        first = {reason: line for reason, (_, line) in self._blanked.get(table, {}).items()}
        where = self._where_blanked.get(table, "")
        return [
            f"{called}: {reason} in {counted(count, 'row')}, first in {_line(where, first[reason])}; "
            "read as blank"
            for reason, count in self.blanked(table).items()
        ]

    def add_notes(self, table: str, notes: Sequence[str]) -> None:
        """Add what was passed over while a table was read."""
        self._notes.setdefault(table, []).extend(notes)

    def notes(self, table: str) -> Sequence[str]:
        """Return what was passed over while a table was read."""
        return self._notes.get(table, ())

    def to_table(self) -> pa.Table:
        """Return all rows, with columns `FIELDS`, in an order independent of when they were added.

        They must all be in memory; otherwise see :meth:`in_order`.
        """
        return pa.Table.from_batches(self._batches).sort_by([(name, "ascending") for name in _ORDER])

    def in_order(self) -> pa.Table | SortedFile:
        """Return all rows in the same order, in a temporary file if they are many.

        Raises
        ------
        StorageError
            If there is not enough room for it.
        """
        if self._many is None:
            return self.to_table()
        self._put_away(self._many)
        return self._many.in_order(_ORDER)

    def _keep(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._n_held += batch.num_rows
        if self._stack is not None and self._n_held > self._most:
            if self._many is None:
                from ml_sys.data.parts.sorted_rows import ManyRows  # DuckDB, which few need

                self._many = ManyRows(batch.schema, self._stack)
            self._put_away(self._many)

    def _put_away(self, many: ManyRows) -> None:
        many.add(pa.Table.from_batches(self._batches))
        del self._batches[1:]  # the first has no rows
        self._n_held = 0

    def _counted(self, table: str) -> list[tuple[str, int]]:
        counts = self._counts.get(table, Counter())
        return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _line(where: Where, line: int) -> str:
    if isinstance(where, FileLines):
        file, line = where.of(line)
        return f"line {line:,} of {file}"
    return f"line {line:,}"


def _batch(table: str, where: Where, rows: Sequence[BadRow], reasons: Sequence[str]) -> pa.RecordBatch:
    lines = [row.line for row in rows]
    places = [where.of(one) if isinstance(where, FileLines) else (where, one) for one in lines]
    columns: list[Any] = [
        pa.array([table] * len(rows), pa.string()),
        pa.array([file for file, _ in places], pa.string()),
        pa.array([line for _, line in places], pa.int64()),
        pa.array(list(reasons), pa.string()),
        pa.array([row.raw for row in rows], pa.string()),
    ]
    return pa.record_batch(columns, names=list(FIELDS))
