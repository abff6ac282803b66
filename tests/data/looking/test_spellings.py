"""Blanks and numbers that are written in other ways than plainly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ml_sys.data.looking.columns import columns_of
from ml_sys.data.looking.sniffing import Sniffed, sniff
from ml_sys.data.looking.spellings import plainly_written


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def looked(connection: duckdb.DuckDBPyConnection, path: Path, values: list[str]) -> Sniffed:
    path.write_text("id;v\n" + "".join(f"a{at};{one}\n" for at, one in enumerate(values)))
    (table,), _ = sniff(connection, [str(path)])
    return plainly_written(connection, table)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["12,5", "1.234,50", "7"], ["12.5", "1234.50", "7"]),
        (["1,234", "12,345,678.5", "7"], ["1234", "12345678.5", "7"]),
        (["\\N", "NULL", "3"], [None, None, "3"]),
        (["1,5", "\\N"], ["1.5", None]),
        (["None", "1.5"], ["None", "1.5"]),
        (["a,b", "c"], ["a,b", "c"]),
        (["€ 9.00", "€ 12.50"], ["9.00", "12.50"]),
        (["CHF 9.00", "12 CHF"], ["9.00", "12"]),
        (["€ 9,00", "NULL", "€ 1.234,5"], ["9.00", None, "1234.5"]),
        (["1,2345", "12,25"], ["1.2345", "12.25"]),
        (["1,234", "12,250"], ["1234", "12250"]),  # three digits may be thousands
        (["€ 9.00", "$ 12.50"], ["€ 9.00", "$ 12.50"]),  # no sum of two currencies means anything
    ],
)
def test_values_mean_the_same_in_what_was_looked_at_and_in_a_query(
    written: list[str], meant: list[str | None], connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    table = looked(connection, tmp_path / "odd.csv", written)
    for chosen, source in (("v", table.view), (table.columns["v"], table.relation)):
        found = connection.execute(f"SELECT {chosen} FROM {source}").fetchall()  # noqa: S608 - the test's own file
        assert [one for (one,) in found] == meant


def test_a_column_with_marks_for_blanks_is_what_its_values_are(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    table = looked(connection, tmp_path / "odd.csv", ["5", "\\N", "20", "\\N"])
    column = columns_of(connection, table)["v"]
    assert (column.looks, column.filled) == ("whole", 2)
