"""Quarantine: rejected rows with table, file, line, reason and text, and counts of blanked values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.data.reading.rows import BadRow

FIELDS = ("table", "file", "line", "reason", "raw")

# What a merged row says is in the company that is kept; it is counted apart from rows that are wrong.
MERGED_DUPLICATE = "duplicate company, merged"
MERGED_CUSTOMER = "also a customer"
MERGED_EVENT = "repeated event, merged"
MERGED = frozenset({MERGED_DUPLICATE, MERGED_CUSTOMER, MERGED_EVENT})


class Quarantine:
    """Collects rows, and counts values that were blanked in rows that were taken, table by table."""

    def __init__(self) -> None:
        self._blanked: dict[str, dict[str, list[int]]] = {}
        self._batches = [_batch("", "", ())]
        self._counts: dict[str, Counter[str]] = {}

    def add(self, table: str, file: str, rows: Sequence[BadRow]) -> None:
        """Add rows of a table that came from a file."""
        if rows:
            self._batches.append(_batch(table, file, rows))
            self._counts.setdefault(table, Counter()).update(row.reason for row in rows)

    @property
    def tables(self) -> list[str]:
        """Names of the tables that anything is of."""
        return sorted({*self._counts, *self._blanked})

    def rejected(self, table: str) -> Mapping[str, int]:
        """Return reason to rows for what was wrong, the most frequent first."""
        return {reason: n for reason, n in self._counted(table) if reason not in MERGED}

    def merged(self, table: str) -> Mapping[str, int]:
        """Return reason to rows for what was merged into a row that is kept."""
        return {reason: n for reason, n in self._counted(table) if reason in MERGED}

    def add_blanked(self, table: str, found: Mapping[str, Sequence[int]]) -> None:
        """Add values of a table that were blanked: reason to the lines that they stand in."""
        lines = self._blanked.setdefault(table, {})
        for reason, more in found.items():
            lines.setdefault(reason, []).extend(more)

    def blanked(self, table: str) -> Mapping[str, int]:
        """Return reason to values that were blanked, the most frequent first."""
        counts = {reason: len(lines) for reason, lines in self._blanked.get(table, {}).items()}
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))

    def told_blanked(self, table: str, called: str) -> list[str]:
        """Say of each kind of value that was blanked in how many rows, and where the first one is."""
        first = {reason: min(lines) for reason, lines in self._blanked.get(table, {}).items()}
        return [
            f"{called}: {reason} in {counted(count, 'row')}, first in line {first[reason]:,}; taken as blank"
            for reason, count in self.blanked(table).items()
        ]

    def to_table(self) -> pa.Table:
        """Return all rows, with columns `FIELDS`, in an order that does not depend on how they came."""
        table = pa.Table.from_batches(self._batches)
        return table.sort_by([(name, "ascending") for name in ("table", "reason", "raw", "file", "line")])

    def _counted(self, table: str) -> list[tuple[str, int]]:
        counts = self._counts.get(table, Counter())
        return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _batch(table: str, file: str, rows: Sequence[BadRow]) -> pa.RecordBatch:
    columns: list[Any] = [
        pa.array([table] * len(rows), pa.string()),
        pa.array([file] * len(rows), pa.string()),
        pa.array([row.line for row in rows], pa.int64()),
        pa.array([row.reason for row in rows], pa.string()),
        pa.array([row.raw for row in rows], pa.string()),
    ]
    return pa.record_batch(columns, names=list(FIELDS))
