"""Normalise other spellings of values: NULL for a blank, 1.234,5 for 1234.5."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_sys.data.reading.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

    from ml_sys.data.looking.sniffing import Sniffed

# What database and data frame exports write for a missing value.
BLANKS = ("\\N", "NULL", "null", "NaN", "nan", "NaT", "<NA>", "#N/A")
_SAMPLE, _MOSTLY = 20_000, 0.98
_COMMAS = "[+-]?([0-9]+|[0-9]{1,3}([.][0-9]{3})+)(,[0-9]+)?"
_FRACTION = "[^,]*,([0-9]{1,2}|[0-9]{4,})"  # three digits may be thousands
_THOUSANDS = "[+-]?[0-9]{1,3}(,[0-9]{3})+([.][0-9]+)?"
_SYMBOL = r"\s*([€$£]|EUR|USD|GBP|CHF)\s*"
_POINTS = "[+-]?[0-9]+([.][0-9]+)?"


def plainly_written(connection: duckdb.DuckDBPyConnection, table: Sniffed) -> Sniffed:
    """Normalise such values in the loaded rows and in the SQL of their columns."""
    if table.relation.startswith("read_parquet"):  # its columns have types
        return table
    blanks = ", ".join(literal(one) for one in BLANKS)
    columns = dict(table.columns)
    for name, sql in table.columns.items():
        c = quoted(name)
        found = connection.execute(
            f"SELECT DISTINCT {c} FROM {table.view} WHERE {c} IN ({blanks}) ORDER BY 1"
        ).fetchall()
        if found:
            marks = ", ".join(literal(one) for (one,) in found)
            connection.execute(f"UPDATE {table.view} SET {c} = NULL WHERE {c} IN ({marks})")
            columns[name] = f"CASE WHEN CAST({sql} AS VARCHAR) NOT IN ({marks}) THEN {sql} END"
        if _is_money(connection, table.view, c):
            bare = f"regexp_replace({{}}, '{_SYMBOL}', '', 'g')"
            connection.execute(f"UPDATE {table.view} SET {c} = {bare.format(c)}")
            columns[name] = bare.format(f"CAST({columns[name]} AS VARCHAR)")
        number = _number(connection, table.view, c)
        if number:
            connection.execute(f"UPDATE {table.view} SET {c} = {number.format(c)}")
            columns[name] = number.format(f"CAST({columns[name]} AS VARCHAR)")
    return replace(table, columns=columns)


def _is_money(connection: duckdb.DuckDBPyConnection, view: str, c: str) -> bool:
    """Return whether a column holds amounts of one currency, each with its symbol."""
    money = f"({_SYMBOL})[-+]?[0-9][0-9.,]*|[-+]?[0-9][0-9.,]*({_SYMBOL})"
    ((n, written, symbols),) = connection.execute(
        f"SELECT count(*), count(*) FILTER (regexp_full_match({c}, '{money}')), "
        f"count(DISTINCT trim(regexp_extract({c}, '{_SYMBOL}'))) "
        f"FROM (SELECT {c} FROM {view} WHERE {c} IS NOT NULL LIMIT {_SAMPLE})"
    ).fetchall()
    return bool(n and written >= _MOSTLY * n and symbols == 1)


def _number(connection: duckdb.DuckDBPyConnection, view: str, c: str) -> str:
    """Return an SQL template that turns decimal commas into points; empty if there are none."""
    asked = (_COMMAS, _FRACTION, f"{_THOUSANDS}|{_POINTS}", _THOUSANDS)
    counts = ", ".join(f"count(*) FILTER (regexp_full_match({c}, '{one}'))" for one in asked)
    found = (
        connection.execute(
            f"SELECT count(*), {counts} FROM (SELECT {c} FROM {view} WHERE {c} IS NOT NULL LIMIT {_SAMPLE})"
        ).fetchone()
        or (0,) * 5
    )
    n, commas, fractions, thousands, grouped = found
    if fractions and commas >= _MOSTLY * n:
        return "replace(replace({}, '.', ''), ',', '.')"
    if grouped and thousands >= _MOSTLY * n:
        return "replace({}, ',', '')"
    return ""
