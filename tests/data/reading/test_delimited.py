"""Which delimiter a file has, as its header shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.data.reading import textfile
from ml_sys.data.reading.delimited import _header_fields, open_csv
from ml_sys.errors import EmptyTableError


@pytest.mark.parametrize(
    ("line", "fields", "delimiter"),
    [
        (b"a,b;c,d", ["a", "b;c", "d"], ","),
        (b"a;b,c;d", ["a", "b,c", "d"], ";"),
        (b'"x,y,z";b', ["x,y,z", "b"], ";"),
        (b"a\tb\tc,d", ["a", "b", "c,d"], "\t"),
        (b"a,b;c", ["a", "b;c"], ","),
        (b"one\r", ["one"], ","),
    ],
)
def test_the_delimiter_is_what_stands_most_often_outside_quotes(
    line: bytes, fields: list[str], delimiter: str
) -> None:
    assert _header_fields(Path("t.csv"), line) == (fields, delimiter)


def rows_of(path: Path, columns: dict[str, str]) -> list[tuple[int, tuple[str, ...]]]:
    table, found = open_csv(path, columns), []
    for part in table.parts:
        rows = part()
        texts = zip(*(one.to_pylist() for one in rows.texts.values()), strict=True)
        found += zip(rows.lines.tolist(), texts, strict=True)
    table.close()
    return found


def test_a_blank_line_is_no_row_of_a_single_column_however_lines_end(tmp_path: Path) -> None:
    for end in ("\n", "\r\n"):
        (tmp_path / "t.csv").write_bytes(end.join(["id", "a", "", "b", ""]).encode())
        assert rows_of(tmp_path / "t.csv", {"id": "id"}) == [(2, ("a",)), (4, ("b",))]


def test_what_other_programs_take_for_a_blank_is_the_text_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,x\nNA,null\nN/A,NaN\n")
    found = rows_of(tmp_path / "t.csv", {"id": "id", "x": "x"})
    assert found == [(2, ("NA", "null")), (3, ("N/A", "NaN"))]


def test_a_file_of_blank_lines_alone_is_empty(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n  \n\n")
    with pytest.raises(EmptyTableError):
        open_csv(tmp_path / "t.csv", {"id": "id"})


@pytest.mark.parametrize("size", [8, 16, 64])
def test_rows_behind_a_cell_of_several_lines_keep_their_numbers_wherever_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(textfile, "BLOCK_BYTES", size)
    monkeypatch.setattr(textfile, "LINE_LIMIT", 20)
    long = "x" * 30
    (tmp_path / "t.csv").write_text(f'id,x\na,"1\n2\n3"\nb,4\n{long},5\nc,"6\n7"\nd,8\ne,"9\n10"\n')
    assert rows_of(tmp_path / "t.csv", {"id": "id", "x": "x"}) == [
        (2, ("a", "1\n2\n3")), (5, ("b", "4")), (7, ("c", "6\n7")), (9, ("d", "8")), (10, ("e", "9\n10"))
    ]  # fmt: skip
