"""Measure how a column is distributed among converters and others, and how it follows usage and dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.data.reading.sql import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from ml_sys.data.judging.parts import JudgedTable

# With fewer converters nothing is certain, as shares are too noisy.
ENOUGH = 15
_LEVEL_ROWS = 20


@dataclass(frozen=True)
class Shape:
    """The distribution of a column's values by outcome, and how they follow usage and dates."""

    filled: int
    converters: int
    others: int
    filled_converters: int
    separation: float
    usage: float = 0.0
    amount: float = 0.0
    last_use: float = 0.0
    since: float = 0.0
    day: float = 0.0


def shape_of(
    connection: duckdb.DuckDBPyConnection, holding: Sequence[JudgedTable], name: str, number: bool
) -> Shape:
    """Measure a column over the entities to judge by."""
    values = " UNION ALL ".join(
        f"SELECT {one.id} AS id, {one.columns[name]} AS v FROM {one.source}" for one in holding
    )
    value = "TRY_CAST(v AS DOUBLE)" if number else "v"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE column_judged AS SELECT judged.*, day IS NOT NULL "
        "AS paid, v FROM judged "
        f"LEFT JOIN (SELECT id, max({value}) AS v FROM ({values}) GROUP BY id) USING (id)"
    )
    found = connection.execute(
        "SELECT count(v), count(*) FILTER (paid), count(*) FILTER (NOT paid), count(v) FILTER (paid) "
        "FROM column_judged"
    ).fetchone()
    filled, converters, others, theirs = found or (0, 0, 0, 0)
    counted = (filled, converters, others, theirs)
    if not number:
        return Shape(*counted, _levels_separate(connection))
    return Shape(
        *counted,
        separation=_numbers_separate(connection),
        usage=_rank_correlation(connection, "rows", "rows IS NOT NULL"),
        amount=_follows_an_amount(connection),
        last_use=_rank_correlation(connection, "last", "last IS NOT NULL"),
        since=_rank_correlation(connection, "since", "since IS NOT NULL"),
        day=_rank_correlation(connection, "day", "paid"),
    )


def _follows_an_amount(connection: duckdb.DuckDBPyConnection) -> float:
    """Return the greatest correlation with the lifetime total of any measure."""
    measures = connection.execute("SELECT DISTINCT measure FROM amounts ORDER BY 1").fetchall()
    totals = "(SELECT v, total FROM column_judged JOIN amounts USING (id) WHERE measure = {})"
    return max(
        (_rank_correlation(connection, "total", "true", totals.format(literal(one))) for (one,) in measures),
        default=0.0,
    )


def _rank_correlation(
    connection: duckdb.DuckDBPyConnection, other: str, among: str, source: str = "column_judged"
) -> float:
    """Return the absolute value of Spearman's correlation; 0 if there are too few or too similar values."""
    found = connection.execute(
        "SELECT corr(a, b), count(*), count(DISTINCT a), count(DISTINCT b) FROM (SELECT "
        "rank() OVER (ORDER BY v) + (count(*) OVER (PARTITION BY v)) / 2.0 AS a, "
        f'rank() OVER (ORDER BY "{other}") + (count(*) OVER (PARTITION BY "{other}")) / 2.0 AS b '
        f"FROM {source} WHERE v IS NOT NULL AND {among})"
    ).fetchone()
    if found is None or found[0] is None or found[1] < ENOUGH or min(found[2:]) < 3:
        return 0.0
    return abs(float(found[0]))


def _numbers_separate(connection: duckdb.DuckDBPyConnection) -> float:
    """Return the ROC-AUC of a number or of its negative, whichever is larger."""
    found = connection.execute(
        "SELECT sum(r) FILTER (paid), count(*) FILTER (paid), count(*) FILTER (NOT paid) FROM (SELECT paid, "
        "rank() OVER (ORDER BY v) + (count(*) OVER (PARTITION BY v) - 1) / 2.0 AS r FROM "
        "column_judged WHERE v IS NOT NULL)"
    ).fetchone()
    return _area(*found) if found else 0.5


def _levels_separate(connection: duckdb.DuckDBPyConnection) -> float:
    """Return the ROC-AUC of a text's levels, scored by their rates; rare levels and blanks are one each."""
    rows = connection.execute(
        "SELECT sum(n) FILTER (paid), sum(n) FILTER (NOT paid) FROM (SELECT paid, CASE "
        "WHEN v IS NULL THEN 'blank' "
        f"WHEN count(*) OVER (PARTITION BY v) < {_LEVEL_ROWS} THEN 'rare' ELSE 'v ' || v "
        "END AS level, 1 AS n "
        "FROM column_judged) GROUP BY level"
    ).fetchall()
    levels = sorted(((mine or 0, theirs or 0) for mine, theirs in rows), key=lambda one: one[0] / sum(one))
    below, area = 0, 0.0
    for mine, theirs in levels:
        area += mine * (below + theirs / 2)
        below += theirs
    paid = sum(mine for mine, _ in levels)
    return area / (paid * below) if paid and below else 0.5


def _area(ranks: float | None, converters: int, others: int) -> float:
    if not ranks or min(converters, others) < ENOUGH:
        return 0.5
    area = (float(ranks) - converters * (converters + 1) / 2) / (converters * others)
    return max(area, 1 - area)


def order_tells(connection: duckdb.DuckDBPyConnection) -> float:
    """Return the ROC-AUC of the identifier itself, as a number; .5 if it is not one."""
    found = connection.execute(
        "SELECT sum(r) FILTER (paid), count(*) FILTER (paid), count(*) FILTER (NOT paid) "
        "FROM (SELECT day IS NOT NULL AS paid, "
        "rank() OVER (ORDER BY n) + (count(*) OVER (PARTITION BY n) - 1) / 2.0 AS r "
        "FROM (SELECT *, TRY_CAST(id AS DOUBLE) AS n FROM judged) WHERE "
        "TRY_CAST(id AS DOUBLE) IS NOT NULL)"
    ).fetchone()
    return _area(*found) if found else 0.5
