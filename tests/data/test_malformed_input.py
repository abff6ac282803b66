"""Input as bad as it gets: a stated error, or each bad row listed once with its line; never anything else."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data.reading import careful, delimited, textfile
from ml_sys.data.schema import NONCUSTOMERS, USAGE
from ml_sys.errors import (
    EmptyTableError,
    ExitCode,
    InputError,
    MissingColumnError,
    MissingFileError,
    MlsysError,
    RepeatedColumnError,
    UnreadableFileError,
)
from tests.data.tables import HEADERS, Tables, adds_up, quarantined, usage_row

HEADER = HEADERS[NONCUSTOMERS]
GOOD = [f"{HEADER}\n", "1,2 to 5,RETAIL,n1\n", "2,6 to 10,,n2\n"]
PLAIN = "".join(GOOD).encode()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def columns(**changes: object) -> pa.Table:
    return pa.table({"ALEXA_RANK": [1], "EMPLOYEE_RANGE": ["a"], "INDUSTRY": ["b"], "id": [1]} | changes)


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


REFUSED: dict[str, tuple[str, bytes, type[InputError], str]] = {
    "no byte": ("t.csv", b"", EmptyTableError, "has no rows"),
    "blank lines only": ("t.csv", b"\n \r\n\n", EmptyTableError, "has no rows"),
    "BOM only": ("t.csv", b"\xef\xbb\xbf", EmptyTableError, "has no rows"),
    "header only": ("t.csv", HEADER.encode(), EmptyTableError, "has no rows"),
    "header and blank lines": ("t.csv", f"{HEADER}\n\n\n".encode(), EmptyTableError, "has no rows"),
    "not a header": ("t.csv", "".join(GOOD[1:]).encode(), MissingColumnError, "'id' is missing"),
    "missing column": ("t.csv", b"ALEXA_RANK,INDUSTRY,id\n1,x,n1\n", MissingColumnError, "EMPLOYEE_RANGE"),
    "column in other case": (
        "t.csv",
        PLAIN.replace(b"INDUSTRY", b"Industry"),
        MissingColumnError,
        "INDUSTRY",
    ),
    "column with a space": ("t.csv", PLAIN.replace(b",id", b", id"), MissingColumnError, "'id'"),
    "repeated column": ("t.csv", PLAIN.replace(b"INDUSTRY", b"id"), RepeatedColumnError, "'id' appears more"),
    "another delimiter": ("t.csv", PLAIN.replace(b",", b"|"), MissingColumnError, "'id' is missing"),
    "prose": ("t.csv", b"Dear colleague,\nplease find attached\n", MissingColumnError, "'id' is missing"),
    "HTML": ("t.csv", b"<html><body>Sign in</body></html>\n", MissingColumnError, "'id' is missing"),
    "lines that end in CR": ("t.csv", PLAIN.replace(b"\n", b"\r"), UnreadableFileError, "bare CR"),
    "UTF-16 without a mark": ("t.csv", PLAIN.decode().encode("utf-16-le"), UnreadableFileError, "NUL bytes"),
    "UTF-16 cut in the middle": (
        "t.csv",
        PLAIN.decode().encode("utf-16")[:-1],
        UnreadableFileError,
        "utf-16",
    ),
    "binary": ("t.csv", bytes(range(256)) * 40, UnreadableFileError, "first line"),
    "header that is no text": ("t.csv", b"\x81\x8d\n1\n", UnreadableFileError, "first line is neither"),
    "header without an end": ("t.csv", b"x" * (textfile.LINE_LIMIT + 10), UnreadableFileError, "a header"),
    "workbook": ("t.csv", b"PK\x03\x04" + bytes(100), UnreadableFileError, "workbook"),
    "gzip cut short": ("t.csv.gz", gzip.compress(PLAIN * 50)[:-9], UnreadableFileError, "cannot be read"),
    "gzip damaged": (
        "t.csv.gz",
        flipped(gzip.compress(PLAIN * 50), 40),
        UnreadableFileError,
        "cannot be read",
    ),
    "gzip checksum": ("t.csv.gz", flipped(gzip.compress(PLAIN), -6), UnreadableFileError, "CRC"),
    "gzip in name only": ("t.csv.gz", PLAIN, UnreadableFileError, r"ending \.gz"),
    "zstd cut short": ("t.zst", zstandard.compress(PLAIN * 50)[:-9], UnreadableFileError, "cannot be read"),
    "zstd damaged": (
        "t.csv.zst",
        flipped(zstandard.compress(PLAIN * 50), 9),
        UnreadableFileError,
        "cannot be",
    ),
    "zstd in name only": ("t.csv.zst", PLAIN, UnreadableFileError, r"ending \.zst"),
    "Parquet in name only": ("t.parquet", PLAIN, UnreadableFileError, r"ending \.parquet"),
    "Parquet cut short": ("t.parquet", parquet(columns())[:-20], UnreadableFileError, "cannot be read"),
    "Parquet mark only": ("t.parquet", b"PAR1", UnreadableFileError, "cannot be read"),
    "Parquet without rows": ("t.parquet", parquet(columns().slice(0, 0)), EmptyTableError, "has no rows"),
    "Parquet without a column": (
        "t.parquet",
        parquet(columns().drop_columns(["id"])),
        MissingColumnError,
        "'id' is missing",
    ),
    "Parquet with lists": (
        "t.parquet",
        parquet(columns(id=[[1]])),
        UnreadableFileError,
        "'id' has type list",
    ),
    "Parquet with bytes": (
        "t.parquet",
        parquet(columns(INDUSTRY=[b"\xff"])),
        UnreadableFileError,
        "'INDUSTRY' has type binary",
    ),
}

# What is read of noncustomers, and what must be in quarantine: line and reason. Ids of good rows are n1 and
# n2.
ACCEPTED: dict[str, tuple[bytes, list[tuple[int, str]]]] = {
    "BOM": (b"\xef\xbb\xbf" + PLAIN, []),
    "CRLF": (PLAIN.replace(b"\n", b"\r\n"), []),
    "CRLF and LF mixed": (PLAIN.replace(b"\n", b"\r\n", 1), []),
    "no line end at the end": (PLAIN.rstrip(), []),
    "blank lines": (PLAIN.replace(b"\n", b"\n\n  \n"), []),
    "UTF-16": (PLAIN.decode().encode("utf-16"), []),
    "UTF-16 of the other order": (b"\xfe\xff" + PLAIN.decode().encode("utf-16-be"), []),
    "UTF-32": (PLAIN.decode().encode("utf-32"), []),
    "semicolons": (PLAIN.replace(b",", b";"), []),
    "tabs": (PLAIN.replace(b",", b"\t"), []),
    "every cell quoted": (b'"%b"\n' % PLAIN.strip().replace(b",", b'","').replace(b"\n", b'"\n"'), []),
    "columns in other order": (b"id,INDUSTRY,EMPLOYEE_RANGE,ALEXA_RANK\nn1,a,b,1\nn2,a,b,2\n", []),
    "extra columns": (b"x,id,INDUSTRY,EMPLOYEE_RANGE,ALEXA_RANK,x\n,n1,a,b,1,\n,n2,a,b,2,\n", []),
    "Windows-1252": (PLAIN.replace(b"RETAIL", "Café – Bäckerei".encode("cp1252")), []),
    "neither UTF-8 nor Windows-1252": (PLAIN + b"3,\x81\x90,,n3\n", [(4, careful.NOT_TEXT)]),
    "control characters in Windows-1252": (PLAIN + b"3,\xe9\x01,,n3\n", [(4, careful.NOT_TEXT)]),
    "too few fields": (PLAIN + b"3,n3\n", [(4, careful.WRONG_FIELDS)]),
    "too many fields": (PLAIN + b"3,a,b,n3,\n", [(4, careful.WRONG_FIELDS)]),
    "a comma in a number": (PLAIN + b"3,000,a,b,n3\n", [(4, careful.WRONG_FIELDS)]),
    "only delimiters": (PLAIN + b",,,\n", [(4, "id is blank")]),
    "NUL that comes first": (PLAIN.replace(b"\n", b"\n\0,a,b,n3\n", 1), [(2, careful.NUL_BYTE)]),
    "NUL": (PLAIN + b"3,a\0,b,n3\n", [(4, careful.NUL_BYTE)]),
    "a second header": (PLAIN + PLAIN.splitlines(keepends=True)[0], [(4, "repeats the header")]),
    "a quoted comma": (PLAIN.replace(b"RETAIL", b'"RETAIL, FOOD"'), []),
    "a quoted line end": (
        PLAIN.replace(b"RETAIL", b'"RETAIL\nFOOD"') + b"3,n3\n",
        [(5, careful.WRONG_FIELDS)],
    ),
    "doubled quotes": (PLAIN.replace(b"RETAIL", b'"the ""best"""'), []),
    "a quote inside a cell": (PLAIN.replace(b"RETAIL", b'6" pipes'), []),
    "an open quote": (
        b'%b\n3,"a,b,n3\n%b' % (GOOD[0].strip().encode(), "".join(GOOD[1:]).encode()),
        [(2, careful.UNCLOSED_QUOTE)],
    ),
    "an open quote at the end": (PLAIN + b'3,"a,b,n3', [(4, careful.UNCLOSED_QUOTE)]),
    "two open quotes": (
        GOOD[0].encode() + b'"3,a,b,n3\n' + "".join(GOOD[1:]).encode() + b'"4,a,b,n4\n',
        [(2, careful.UNCLOSED_QUOTE), (5, careful.UNCLOSED_QUOTE)],
    ),
    "a quoted cell over more lines than a cell has": (
        PLAIN + b'3,"a' + b"\n." * careful.QUOTED_LINES + b'",b,n3\n',
        [(4, careful.UNCLOSED_QUOTE), *((line, careful.WRONG_FIELDS) for line in range(5, 15))],
    ),
    "a line of 2 MB": (PLAIN + b"3," + b"x" * (2 << 20) + b",b,n3\n", [(4, textfile.LINE_TOO_LONG)]),
    "a line of 2 MB first": (
        GOOD[0].encode() + b"x" * (2 << 20) + b"\n" + "".join(GOOD[1:]).encode(),
        [(2, textfile.LINE_TOO_LONG)],
    ),
    "lines of 2 MB at the end, one open": (
        PLAIN + (b"x" * (2 << 20) + b"\n") * 2 + b"x" * (2 << 20),
        [(4, textfile.LINE_TOO_LONG), (5, textfile.LINE_TOO_LONG), (6, textfile.LINE_TOO_LONG)],
    ),
    "a quoted cell of 200,000 characters": (
        PLAIN + b'3,"' + b"x" * 200_000 + b'",b,n3\n',
        [],
    ),
    "formulas": (PLAIN.replace(b"RETAIL", b"=HYPERLINK(A1)").replace(b"2 to 5", b"@SUM(1)"), []),
    "a formula for a number": (PLAIN + b"=1+1,a,b,n3\n", []),
    "a huge integer": (PLAIN + b"9" * 5000 + b",a,b,n3\n", []),
    "a script as text": (PLAIN.replace(b"RETAIL", b"<script>alert(1)</script>"), []),
    "right-to-left marks and emoji": (PLAIN.replace(b"RETAIL", "\u202e\U0001f600".encode()), []),
    "a stray carriage return": (PLAIN + b"3\r,a,b\rc,n3\n", []),
}
# Whose third row is taken.
ALSO_GOOD = {
    "a quoted cell of 200,000 characters",
    "a stray carriage return",
    "a formula for a number",
    "a huge integer",
}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    made = Tables(tmp_path)
    made.write()
    return made


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_used_stops_ingest_with_a_message_that_names_it(
    tables: Tables, name: str
) -> None:
    file, content, error, words = REFUSED[name]
    path = tables.folder / file
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        tables.ingest_as_they_are(noncustomers=str(path))
    assert type(caught.value) is error
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == ExitCode.FAILED
    assert not tables.artifacts.exists()


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_bad_row_is_listed_once_with_its_line_and_the_good_ones_are_taken(
    tables: Tables, name: str
) -> None:
    content, expected = ACCEPTED[name]
    tables.usage = [usage_row("n1"), usage_row("n2", "2020-01-06")]
    tables.write()
    tables.path(NONCUSTOMERS).write_bytes(content)
    report = tables.ingest_as_they_are()
    found = [(line, reason) for table, line, reason in quarantined(report)]
    assert found == expected
    assert report.tables[NONCUSTOMERS].accepted == 2 + (name in ALSO_GOOD)
    assert report.tables[USAGE].accepted == 2
    assert adds_up(report)


def test_the_corpus_is_large_enough() -> None:
    assert len(REFUSED) + len(ACCEPTED) >= 40


def test_a_missing_file_and_an_empty_folder_are_refused(tables: Tables) -> None:
    with pytest.raises(MissingFileError, match="there is no such file"):
        tables.ingest_as_they_are(usage=str(tables.folder / "none.csv"))
    (tables.folder / "empty").mkdir()
    with pytest.raises(UnreadableFileError, match="the folder is empty"):
        tables.ingest_as_they_are(usage=str(tables.folder / "empty"))


def test_text_in_windows_1252_is_read_as_such(tables: Tables) -> None:
    path = tables.folder / "t.csv"
    path.write_bytes("id,x\nn1,Café – Bäckerei\n".encode("cp1252"))
    (part,) = delimited.open_csv(path, {"id": "id", "x": "x"}).parts
    assert part().texts["x"].to_pylist() == ["Café – Bäckerei"]


def test_the_raw_text_of_a_row_is_cut_at_the_stated_length(tables: Tables) -> None:
    path = tables.folder / "t.csv"
    path.write_bytes(b"id,x\n" + b"y" * 5000 + b"\n")
    (part,) = delimited.open_csv(path, {"id": "id", "x": "x"}).parts
    (bad,) = part().bad
    assert len(bad.raw) == 2000


@given(
    st.lists(
        st.sampled_from([b",", b'"', b"\n", b"\r", b"a", b"\0", b"\xe9", b"\xc3\xa9", b"1", b" "]),
        max_size=60,
    )
)
def test_any_bytes_after_a_header_end_in_rows_or_in_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("any") / "t.csv"
    content = b"".join(pieces)
    path.write_bytes(b"id,x\n" + content)
    lines: list[int] = []
    for part in delimited.open_csv(path, {"id": "id", "x": "x"}).parts:
        rows = part()
        lines += [*rows.lines.tolist(), *(bad.line for bad in rows.bad)]
        assert all(len(text) == len(rows.lines) for text in rows.texts.values())
    assert len(lines) == len(set(lines))
    assert all(2 <= line <= 2 + content.count(b"\n") for line in lines)


@given(st.binary(max_size=200))
def test_any_bytes_at_all_end_in_a_clear_error_or_rows(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes(content)
    try:
        for part in delimited.open_csv(path, {"id": "id"}).parts:
            part()
    except MlsysError as error:
        assert str(path) in error.message  # noqa: PT017 - many bytes are refused, not all


def test_a_line_of_100_mb_is_one_bad_row_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.write(b"id,x\nn1,1\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nn2,2\n")
    tracemalloc.start()
    try:
        found = [part() for part in delimited.open_csv(path, {"id": "id", "x": "x"}).parts]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(bad.line, bad.reason) for rows in found for bad in rows.bad] == [(3, textfile.LINE_TOO_LONG)]
    assert [line for rows in found for line in rows.lines.tolist()] == [2, 4]
    assert peak < 6 * textfile.BLOCK_BYTES
