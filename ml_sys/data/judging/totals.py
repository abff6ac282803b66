"""Find rows that are totals of the others, as at the end of spreadsheets, and so not entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.data.reading.sql import literal, quoted
from ml_sys.text import counted

if TYPE_CHECKING:
    import duckdb

    from ml_sys.data.judging.drafts import TableDraft

_TOTALS = (
    *("total", "totals", "grand total", "subtotal", "sub total", "sum", "overall total", "column total"),
    *("gesamt", "gesamtsumme", "gesamtergebnis", "summe", "insgesamt", "total general", "totale", "totaal"),
)
_COUNTED = "[(]?[0-9][0-9,. ]* (rows?|records?|results?|entries|zeilen)( affected| returned)?[)]?"
# If at most this share of identifiers are words without a number, one called Total is a total.
_WORDS = 0.02


@dataclass(frozen=True)
class Total:
    """Rows that have "total" or the like in place of an identifier.

    Attributes
    ----------
    table, column, value : str
    rows : int
    sure : bool
        Whether it is certainly not an identifier, because no other identifier is a word.
    """

    table: str
    column: str
    value: str
    rows: int
    sure: bool

    @property
    def condition(self) -> str:
        """SQL condition of the other rows."""
        name = quoted(self.column)
        return f"({name} IS NULL OR trim({name}) <> {literal(self.value)})"

    @property
    def what(self) -> str:
        """The rows in words."""
        return f"{self.table}: {counted(self.rows, 'row')} of {self.column} {self.value!r}"


def totals(connection: duckdb.DuckDBPyConnection, draft: TableDraft) -> list[Total]:
    """Find rows of a table whose identifier is a word for a total."""
    found = []
    for role in ("id", "user"):
        if role not in draft.roles:
            continue
        column = draft.roles[role]
        name = quoted(column)
        words = ", ".join(literal(one) for one in _TOTALS)
        is_word, a_count = f"rtrim(lower({name}), ': ') IN ({words})", literal(_COUNTED)
        called = f"{is_word} OR regexp_full_match(lower({name}), {a_count})"
        rows = connection.execute(
            f"SELECT {name}, count(*) FROM {draft.source} WHERE {called} GROUP BY 1 ORDER BY 1 LIMIT 5"
        ).fetchall()
        if not rows:
            continue
        ((alike, among),) = connection.execute(
            f"SELECT count(DISTINCT {name}) FILTER (NOT regexp_matches({name}, '[0-9]')), "
            f"count(DISTINCT {name}) FROM {draft.source} WHERE NOT ({called})"
        ).fetchall()
        sure = alike <= _WORDS * among
        found += [Total(draft.name, column, str(value), n, sure) for value, n in rows]
    return found
