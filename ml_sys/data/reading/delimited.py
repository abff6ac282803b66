"""Reads CSV on two levels: a fast one for clean blocks, a careful one, line by line, for the others.

Invariant: both levels give the same rows for a clean block, and every line of the file is part of one row,
quarantined once, or blank. A line that is not UTF-8 is read as Windows-1252, if it is text in that.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ml_sys.data.reading.rows import RAW_LIMIT, BadRow, Part, RawTable, Rows
from ml_sys.data.reading.textfile import LINE_LIMIT, Block, block_of, blocks, open_text
from ml_sys.data.schema import extra_columns
from ml_sys.errors import EmptyTableError, InputError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

QUOTED_LINES = 10  # a quoted field may go on over this many lines; beyond, its quote was a stray one
DELIMITERS = (",", ";", "\t")

UNCLOSED_QUOTE = "unclosed quote"
WRONG_FIELDS = "wrong number of fields"
_CHUNK_BYTES = 2 << 20

NUL_BYTE = "NUL byte"
NOT_TEXT = "not text in UTF-8 or Windows-1252"
NO_FIELDS = "cannot be split into fields"


@dataclass(frozen=True)
class Layout:
    """How a file's lines are to be read.

    Attributes
    ----------
    n_fields : int
        Columns of the header.
    places : mapping of str to int
        Canonical name to position in a row.
    """

    delimiter: str
    n_fields: int
    places: Mapping[str, int]


def open_csv(path: Path, columns: Mapping[str, str]) -> RawTable:
    """Open a CSV file, compressed or not, and check its header.

    Parameters
    ----------
    columns : mapping of str to str
        Canonical name to column.

    Raises
    ------
    EmptyTableError
        If there is not even a header.
    UnreadableFileError
        If the file is damaged or no text.
    MissingColumnError, RepeatedColumnError
        As the header shows.
    """
    pieces = blocks(path, open_text(path))
    try:
        body, header, delimiter = _header(path, pieces)
        extra = extra_columns(str(path), header, columns)
    except InputError:
        pieces.close()
        raise
    layout = Layout(delimiter, len(header), {field: header.index(name) for field, name in columns.items()})
    return RawTable(str(path), extra, _parts(body, layout), pieces.close)


def _header(path: Path, pieces: Iterator[Block | BadRow]) -> tuple[Iterator[Block | BadRow], list[str], str]:
    """Read the first line that is not blank: what follows it, its fields and their delimiter."""
    first = next(pieces, None)
    while isinstance(first, Block) and not first.data.strip():
        first = next(pieces, None)
    if first is None:
        raise EmptyTableError(path)
    if isinstance(first, BadRow):
        raise UnreadableFileError(
            path, f"line {first.line} is longer than {LINE_LIMIT:,} bytes, so it is no header"
        )
    at = next(i for i in range(len(first.ends)) if first.line(i).strip())
    header, delimiter = _header_fields(path, first.line(at))
    rest = first.data[int(first.ends[at]) + 1 :]
    body = chain([block_of(rest, first.first_line + at + 1)] if rest else [], pieces)
    return body, header, delimiter


def _header_fields(path: Path, line: bytes) -> tuple[list[str], str]:
    if b"\0" in line:
        raise UnreadableFileError(path, "its first line holds NUL bytes, so it is no text in UTF-8")
    text = _decode(line.removesuffix(b"\r"))
    if text is None:
        raise UnreadableFileError(path, "its first line is no text in UTF-8 or Windows-1252")
    if "\r" in text:
        raise UnreadableFileError(path, "its lines end in CR alone", hint="save it with LF or CRLF line ends")
    bare = "".join(text.split('"')[::2])  # what is outside quotes
    delimiter = max(DELIMITERS, key=bare.count)
    return next(csv.reader([text], delimiter=delimiter)), delimiter


def _parts(pieces: Iterator[Block | BadRow], layout: Layout) -> Iterator[Part]:
    """Make a block a part of its own, unless a quoted field may go on into the next one."""
    held = b""
    for piece in pieces:
        if isinstance(piece, BadRow):
            if held:
                yield _Part(block_of(held, piece.line - held.count(b"\n")), layout)
                held = b""
            yield _Single(layout, piece)
            continue
        block = block_of(held + piece.data, piece.first_line - held.count(b"\n")) if held else piece
        held = b""
        if _may_go_on(block):
            rows, done = _read_carefully(block, layout, is_last=False)
            held = block.data[int(block.ends[done - 1]) + 1 if done else 0 :]
            yield _Ready(rows)
        else:
            yield _Part(block, layout)
        last_line = block.first_line + len(block.ends)
    if held:
        yield _Part(block_of(held, last_line - held.count(b"\n")), layout)


def _may_go_on(block: Block) -> bool:
    tail = range(max(0, len(block.ends) - QUOTED_LINES), len(block.ends))
    return b'"' in block.data and any(block.line(i).count(b'"') % 2 for i in tail)


@dataclass(frozen=True)
class _Part:
    """A block that is read when it is called for."""

    block: Block
    layout: Layout

    def __call__(self) -> Rows:
        rows = _read_fast(self.block, self.layout)
        return rows if rows is not None else _read_carefully(self.block, self.layout, is_last=True)[0]


@dataclass(frozen=True)
class _Ready:
    """Rows that had to be read while the file was cut."""

    rows: Rows

    def __call__(self) -> Rows:
        return self.rows


@dataclass(frozen=True)
class _Single:
    """One line that is no row."""

    layout: Layout
    bad: BadRow

    def __call__(self) -> Rows:
        return _collect({field: [] for field in self.layout.places}, [], [], [self.bad])


def _read_fast(block: Block, layout: Layout) -> Rows | None:
    """Read a block in which every line is one row; None if that is not certain."""
    data, n_lines = block.data, len(block.ends)
    if b"\0" in data or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
        return None
    if np.diff(block.ends, prepend=-1).min() <= len(b"\r\n"):  # perhaps a blank line, and that is no row
        return None
    is_quoted = b'"' in data
    if is_quoted and block.line(n_lines - 1).count(b'"') % 2:
        return None
    names = [str(i) for i in range(layout.n_fields)]
    wanted = {str(i): pa.string() for i in layout.places.values()}
    source: Any = pa.BufferReader(data)
    try:
        table = pyarrow.csv.read_csv(
            source,
            # One thread, because parts are read side by side. Small chunks are kind to the cache, but an open
            # quote could hide at their edge.
            pyarrow.csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(data) if is_quoted else _CHUNK_BYTES
            ),
            pyarrow.csv.ParseOptions(delimiter=layout.delimiter, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                include_columns=list(wanted), column_types=wanted, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != n_lines:
        return None
    texts = {field: _single_chunk(table.column(str(i))) for field, i in layout.places.items()}
    lines = np.arange(block.first_line, block.first_line + n_lines, dtype=np.int64)
    return Rows(texts, lines, lambda i: _shown(block.line(i)))


def _read_carefully(block: Block, layout: Layout, *, is_last: bool) -> tuple[Rows, int]:
    """Read a block line by line.

    Returns the rows and how many lines are done with: all of them when ``is_last``, otherwise those before a
    quoted field that may go on in the next block.
    """
    texts: dict[str, list[str]] = {field: [] for field in layout.places}
    starts: list[int] = []
    raws: list[str] = []
    bad: list[BadRow] = []
    lines = block.data.split(b"\n")[:-1]
    at = 0
    while at < len(lines):
        line = lines[at].removesuffix(b"\r")
        text = _decode(line)
        taken, fields, reason = 1, None, ""
        if text is None:
            reason = NOT_TEXT
        elif "\0" in text:
            reason = NUL_BYTE
        elif not text.strip(" "):
            at += 1
            continue
        elif '"' not in text:
            fields = text.split(layout.delimiter)
        else:
            window = lines[at : at + QUOTED_LINES]
            taken, fields, reason = _quoted(window, layout)
            if reason == UNCLOSED_QUOTE and len(window) < QUOTED_LINES and not is_last:
                break
        if fields is not None and len(fields) != layout.n_fields:
            reason = WRONG_FIELDS
        if reason or fields is None:
            bad.append(BadRow(block.first_line + at, reason, _shown(line)))
            at += 1
            continue
        for field, place in layout.places.items():
            texts[field].append(fields[place])
        starts.append(block.first_line + at)
        raws.append(_shown(b"\n".join(lines[at : at + taken])))
        at += taken
    return _collect(texts, starts, raws, bad), at


def _quoted(window: Sequence[bytes], layout: Layout) -> tuple[int, list[str] | None, str]:
    """Read the row at the start of some lines with a quote in the first: lines taken, fields, reason."""
    taken = 0

    def feed() -> Iterator[str]:
        nonlocal taken
        for line in window:
            text = _decode(line.removesuffix(b"\r"))
            if text is None or "\0" in text:
                break
            taken += 1
            yield text + "\n"
        taken += 1  # asked for more than there is: the quote is open

    try:
        fields = next(csv.reader(feed(), delimiter=layout.delimiter))
    except csv.Error:
        return 1, None, NO_FIELDS
    unclosed = taken > len(window) or (taken > 1 and not _is_row(window[:taken], layout))
    return (1, None, UNCLOSED_QUOTE) if unclosed else (taken, fields, "")


def _is_row(lines: Sequence[bytes], layout: Layout) -> bool:
    """Tell whether lines make a row without a stray quote: two of those would swallow what is between."""
    try:
        text = [f"{line.decode('utf-8', 'replace')}\n" for line in lines]
        return len(next(csv.reader(text, delimiter=layout.delimiter, strict=True))) == layout.n_fields
    except csv.Error:
        return False


def _decode(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        pass
    try:
        text = line.decode("cp1252")
    except UnicodeDecodeError:
        return None
    return None if any(character < " " and character != "\t" for character in text) else text


def _shown(line: bytes) -> str:
    line = line[: 4 * RAW_LIMIT].removesuffix(b"\r")
    return (_decode(line) or line.decode("utf-8", "replace"))[:RAW_LIMIT]


def _single_chunk(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _collect(
    texts: Mapping[str, Sequence[str]], starts: Sequence[int], raws: Sequence[str], bad: Sequence[BadRow]
) -> Rows:
    columns = {field: pa.array(values, pa.string()) for field, values in texts.items()}
    return Rows(columns, np.array(starts, dtype=np.int64), raws.__getitem__, bad)
