"""Tables of a few rows, as they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml_sys.data.judging.parts import JudgedTable


def source(names: str, rows: Sequence[Sequence[Any]]) -> str:
    """Return SQL to select rows from, all of them text."""
    told = ", ".join(
        "(" + ", ".join("NULL" if one is None else f"'{one}'" for one in row) + ")" for row in rows
    )
    empty = ", ".join("NULL::VARCHAR" for _ in names.split())
    values = f"VALUES {told}" if rows else f"SELECT {empty} WHERE false"
    columns = ", ".join(names.split())
    return f"(SELECT * FROM ({values}) AS t({columns}))"  # noqa: S608 - the test's own


def entities(rows: Sequence[Sequence[Any]], name: str = "users", **columns: str) -> JudgedTable:
    """Return entities of id, day of conversion and day of beginning, and attributes."""
    names = " ".join(["id", "paid", "born", *columns])
    numbers = frozenset(one for one, kind in columns.items() if kind == "number")
    return JudgedTable(
        name,
        "entities",
        source(names, rows),
        "id",
        "",
        "paid",
        "born",
        "",
        {one: one for one in columns},
        numbers,
    )


def usage(rows: Sequence[Sequence[Any]], *, event: str = "", measure: str = "") -> JudgedTable:
    """Return rows of usage: id, day, and perhaps a kind or a number."""
    names = " ".join(filter(None, ["id", "day", event, measure]))
    columns = {measure: measure} if measure else {}
    return JudgedTable(
        "log", "usage", source(names, rows), "id", "day", "", "", event, columns, frozenset(columns)
    )


def purchases(rows: Sequence[Sequence[Any]]) -> JudgedTable:
    """Return purchases of id and day."""
    return JudgedTable("bought", "purchases", source("id day", rows), "id", "day")
