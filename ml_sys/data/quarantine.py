"""Quarantine: rejected rows with table, file, line, reason and text, and counts of blanked values."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ml_sys.form import PLAIN_WORDS
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.data.reading.rows import BadRow
    from ml_sys.form import Words

FIELDS = ("table", "file", "line", "reason", "raw")

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
    """

    def __init__(self, words: Words = PLAIN_WORDS) -> None:
        self._words = words
        self._merged = {in_words(one, words) for one in MERGED}
        self._blanked: dict[str, dict[str, list[int]]] = {}
        self._batches = [_batch("", "", (), ())]
        self._counts: dict[str, Counter[str]] = {}
        self._lock = Lock()

    def add(self, table: str, file: str, rows: Sequence[BadRow]) -> None:
        """Add rows of a table from a file; safe to call from several threads."""
        if rows:
            reasons = [self.said(row.reason) for row in rows]
            batch = _batch(table, file, rows, reasons)
            with self._lock:
                self._batches.append(batch)
                self._counts.setdefault(table, Counter()).update(reasons)

    def said(self, reason: str) -> str:
        """Return a reason in the words used here."""
        return in_words(reason, self._words)

    @property
    def tables(self) -> list[str]:
        """Names of the tables with any entries."""
        return sorted({*self._counts, *self._blanked})

    def rejected(self, table: str) -> Mapping[str, int]:
        """Return the number of rejected rows by reason, the most frequent first."""
        return {reason: n for reason, n in self._counted(table) if reason not in self._merged}

    def merged(self, table: str) -> Mapping[str, int]:
        """Return the number of rows merged into a row that is kept, by reason."""
        return {reason: n for reason, n in self._counted(table) if reason in self._merged}

    def add_blanked(self, table: str, found: Mapping[str, Sequence[int]]) -> None:
        """Add blanked values of a table: reason to the lines with such values."""
        lines = self._blanked.setdefault(table, {})
        for reason, more in found.items():
            lines.setdefault(reason, []).extend(more)

    def blanked(self, table: str) -> Mapping[str, int]:
        """Return the number of blanked values by reason, the most frequent first."""
        counts = {reason: len(lines) for reason, lines in self._blanked.get(table, {}).items()}
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))

    def told_blanked(self, table: str, called: str) -> list[str]:
        """Say for each kind of blanked value in how many rows it occurs, and where first."""
        first = {reason: min(lines) for reason, lines in self._blanked.get(table, {}).items()}
        return [
            f"{called}: {reason} in {counted(count, 'row')}, first in line {first[reason]:,}; read as blank"
            for reason, count in self.blanked(table).items()
        ]

    def to_table(self) -> pa.Table:
        """Return all rows, with columns `FIELDS`, in an order independent of when they were added."""
        table = pa.Table.from_batches(self._batches)
        return table.sort_by([(name, "ascending") for name in ("table", "reason", "raw", "file", "line")])

    def _counted(self, table: str) -> list[tuple[str, int]]:
        counts = self._counts.get(table, Counter())
        return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _batch(table: str, file: str, rows: Sequence[BadRow], reasons: Sequence[str]) -> pa.RecordBatch:
    columns: list[Any] = [
        pa.array([table] * len(rows), pa.string()),
        pa.array([file] * len(rows), pa.string()),
        pa.array([row.line for row in rows], pa.int64()),
        pa.array(list(reasons), pa.string()),
        pa.array([row.raw for row in rows], pa.string()),
    ]
    return pa.record_batch(columns, names=list(FIELDS))
