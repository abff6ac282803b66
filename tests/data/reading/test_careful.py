"""Rows of text: where a quoted cell may go on, how far, and which line a row is told by."""

from __future__ import annotations

from pathlib import Path

from ml_sys.data.reading.careful import (
    NUL_BYTE,
    QUOTED_LINES,
    UNCLOSED_QUOTE,
    WRONG_FIELDS,
    Layout,
    decode,
    read_carefully,
    shown,
)
from ml_sys.data.reading.delimited import open_csv
from ml_sys.data.reading.textfile import block_of

COLUMNS = {"id": "id", "x": "x"}
LAYOUT = Layout(",", 2, {"id": 0, "x": 1})


def read(path: Path, content: bytes) -> tuple[list[tuple[int, str, str]], list[tuple[int, str]]]:
    """Line, id and x of each row, and line and reason of each that is bad."""
    path.write_bytes(content)
    good: list[tuple[int, str, str]] = []
    bad: list[tuple[int, str]] = []
    for part in open_csv(path, COLUMNS).parts:
        rows = part()
        texts = zip(rows.texts["id"].to_pylist(), rows.texts["x"].to_pylist(), strict=True)
        good += [(line, *text) for line, text in zip(rows.lines.tolist(), texts, strict=True)]
        bad += [(one.line, one.reason) for one in rows.bad]
    return good, bad


def test_a_quoted_cell_goes_on_over_so_many_lines_and_no_more(tmp_path: Path) -> None:
    inside = "\n".join(str(at) for at in range(QUOTED_LINES))
    good, bad = read(tmp_path / "t.csv", f'id,x\na,"{inside}"\nb,2\n'.encode())
    assert (good, bad) == ([(2, "a", inside), (2 + QUOTED_LINES, "b", "2")], [])
    good, bad = read(tmp_path / "t.csv", f'id,x\na,"{inside}\nmore"\nb,2\n'.encode())
    assert bad[0] == (2, UNCLOSED_QUOTE)
    assert {reason for _, reason in bad[1:]} == {WRONG_FIELDS}
    assert good == [(3 + QUOTED_LINES, "b", "2")]


def test_rows_after_blank_lines_and_behind_a_late_header_keep_their_lines(tmp_path: Path) -> None:
    good, bad = read(tmp_path / "t.csv", b"\n \nid,x\na,1\n\n\nb,2\nc\nd,4")
    assert good == [(4, "a", "1"), (7, "b", "2"), (9, "d", "4")]
    assert bad == [(8, WRONG_FIELDS)]


def test_a_row_is_told_as_it_stands_with_the_lines_of_its_quotes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'id,x\r\na,"1\r\n2"\r\nb,3\r\n')
    rows = [part() for part in open_csv(path, COLUMNS).parts]
    raws = [one.raw(at) for one in rows for at in range(len(one.lines))]
    assert raws == ['a,"1\r\n2"', "b,3"]


def test_a_line_of_delimiters_alone_is_a_row_and_a_blank_one_is_none() -> None:
    layout = Layout("\t", 2, {"id": 0, "x": 1})
    rows, done = read_carefully(block_of(b"\t\n  \n\na\tb\n", 5), layout, is_last=True)
    assert (rows.lines.tolist(), rows.texts["id"].to_pylist(), rows.bad, done) == ([5, 8], ["", "a"], [], 4)


def test_a_stray_quote_waits_for_no_more_lines_than_a_cell_may_have() -> None:
    layout = Layout(",", 2, {"id": 0, "x": 1})
    for n_after, done in ((QUOTED_LINES - 2, 0), (QUOTED_LINES - 1, QUOTED_LINES)):
        lines = b'a,"1\n' + b"b,2\n" * n_after
        rows, taken = read_carefully(block_of(lines, 2), layout, is_last=False)
        assert taken == done
        assert [(one.line, one.reason) for one in rows.bad] == [(2, UNCLOSED_QUOTE)][: bool(done)]


def test_a_tab_is_text_in_either_encoding_and_another_sign_of_control_is_not() -> None:
    assert [decode(text) for text in (b"a\tb", b"a\t\xe9", b"a\x01\xe9")] == ["a\tb", "a\t\u00e9", None]


def test_a_row_has_as_many_fields_as_the_header_and_no_end_of_its_line() -> None:
    layout = Layout(",", 2, {"id": 0, "x": 1})
    rows, _ = read_carefully(block_of(b"a,1,2\nb,2\r\nc\n", 2), layout, is_last=True)
    assert [(one.line, one.reason) for one in rows.bad] == [(2, WRONG_FIELDS), (4, WRONG_FIELDS)]
    assert rows.texts["x"].to_pylist() == ["2"]


def test_two_stray_quotes_swallow_nothing_between_them() -> None:
    layout = Layout(",", 2, {"id": 0, "x": 1})
    rows, _ = read_carefully(block_of(b'a,"x\nc,y"z\n', 2), layout, is_last=True)
    assert [(one.line, one.reason) for one in rows.bad] == [(2, UNCLOSED_QUOTE)]
    assert (rows.lines.tolist(), rows.texts["id"].to_pylist()) == ([3], ["c"])


def test_a_quote_at_the_end_of_a_file_is_a_stray_one() -> None:
    layout = Layout(",", 2, {"id": 0, "x": 1})
    rows, done = read_carefully(block_of(b'a,"x\nb,2\n', 2), layout, is_last=True)
    assert ([one.reason for one in rows.bad], rows.lines.tolist(), done) == ([UNCLOSED_QUOTE], [3], 2)


def test_a_cell_of_ten_lines_is_one_and_of_eleven_it_is_not() -> None:
    def lines(n: int) -> list[int]:
        inside = b"\n".join(b"x" for _ in range(n))
        found, _ = read_carefully(block_of(b'"' + inside + b'",y\n', 1), LAYOUT, is_last=True)
        return [*found.lines.tolist(), *(-one.line for one in found.bad)]

    assert lines(10) == [1]
    assert lines(11) == [11, *range(-1, -11, -1)]  # the last has as many fields as it should


def test_as_many_characters_are_kept_of_a_line_however_many_bytes_each_takes() -> None:
    assert shown("é".encode() * 3000) == "é" * 2000
    assert shown(b"caf\xe9" * 900) == "café" * 500
    assert shown(b"plain\r") == "plain"


def test_a_cell_goes_on_over_no_line_that_is_no_text_and_lines_of_more_fields_are_no_row() -> None:
    found, _ = read_carefully(block_of(b'"a\nb\0c",y\nd,e\n', 1), LAYOUT, is_last=True)
    assert [(one.line, one.reason) for one in found.bad] == [(1, WRONG_FIELDS), (2, NUL_BYTE)]
    assert found.lines.tolist() == [3]
    found, _ = read_carefully(block_of(b'a,"b\nc",d,e\n', 1), LAYOUT, is_last=True)
    assert found.bad[0].reason == UNCLOSED_QUOTE
