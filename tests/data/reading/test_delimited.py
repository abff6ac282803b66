"""Which delimiter a file has, as its header shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.data.reading.delimited import _header_fields


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
