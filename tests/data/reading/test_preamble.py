"""What stands above a header is passed over, and nothing of a table is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ml_sys.data.reading.delimited import open_csv
from ml_sys.data.reading.preamble import Preamble, preamble

ROWS = ["1,AT,2024-01-01", "2,BE,2024-01-02", "3,CH,2024-01-03"]
HEADER = "id,country,day"


@pytest.mark.parametrize(
    ("above", "lines"),
    [
        ([], 0),
        (["# exported 2024-01-01"], 1),
        (["# exported 2024-01-01, by CRM", "# rows: 3, all, of them", ""], 3),
        (["// exported"], 1),
        (["Report: users", "Generated on 1 Jan 2024, by Anna", "", ""], 4),
        (['"Report: users, all"'], 1),
    ],
)
def test_comments_and_titles_stand_above_a_header(above: list[str], lines: int) -> None:
    assert preamble([*above, HEADER, *ROWS]) == Preamble(lines)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_that_spreadsheets_write_names_the_delimiter(first: str) -> None:
    lines = [first, *(line.replace(",", ";") for line in (HEADER, *ROWS))]
    assert preamble(lines) == Preamble(1, ";")


@pytest.mark.parametrize(
    "lines",
    [
        [HEADER, *ROWS],
        ["#id,country,day", *ROWS],  # a name
        ["#,country,day", *ROWS],
        ["id,country", *ROWS],  # lacks a name
        ["id", "1", "2", "3"],
        ["id,n", "1,2", "1,2,3", "x"],
        ["country", *ROWS],
        ["a b,c", "x y,z,w", "x y,z,w"],
        ["# one", "two", "three"],
        [],
    ],
)
def test_no_line_of_a_table_is_passed_over(lines: list[str]) -> None:
    assert preamble(lines) == Preamble()


@pytest.mark.parametrize("above", ["# exported, by CRM\n\n", "sep=;\r\n", "Users of today\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_is_read_from_its_header_on_and_lines_keep_their_numbers(
    above: str, packed: bool, tmp_path: Path
) -> None:
    delimiter = ";" if "sep" in above else ","
    text = above + "\n".join([HEADER, *ROWS]).replace(",", delimiter) + "\n"
    file = tmp_path / ("t.csv.gz" if packed else "t.csv")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    opened = open_csv(file, {"id": "id", "day": "day"})
    (rows,) = [part() for part in opened.parts]
    assert rows.texts["day"].to_pylist() == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert rows.lines.tolist() == [above.count("\n") + at for at in (2, 3, 4)]
    assert list(opened.extra) == ["country"]
