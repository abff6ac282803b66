"""Read CSV in two ways: fast for clean blocks, line by line for the others.

Invariant: both levels give the same rows for a clean block, and every line of the file is part of one row,
quarantined once, or blank.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ml_sys.data.reading.careful import QUOTED_LINES, Layout, collect, decode, read_carefully, shown
from ml_sys.data.reading.plain import Kind, Plain, are_plain, read_plain
from ml_sys.data.reading.preamble import SOME_LINES, preamble
from ml_sys.data.reading.rows import BadRow, Part, RawTable, Rows
from ml_sys.data.reading.textfile import LINE_LIMIT, Block, block_of, blocks, open_text
from ml_sys.data.schema import lacking, matched_columns
from ml_sys.errors import EmptyTableError, InputError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

DELIMITERS = (",", ";", "\t")

_CHUNK_BYTES = 2 << 20
# A file so large is read faster by a compiled loop, whatever it takes to load that.
_LARGE_BYTES = 128 << 20


def open_csv(path: Path, columns: Mapping[str, str], may_lack: Collection[str] = ()) -> RawTable:
    """Open a CSV file, compressed or not, and check its header.

    Parameters
    ----------
    columns : mapping of str to str
        Field to column.
    may_lack : collection of str
        Fields whose column need not be there.

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
        found, extra = matched_columns(str(path), header, columns, may_lack)
    except InputError:
        pieces.close()
        raise
    layout = Layout(delimiter, len(header), {field: header.index(name) for field, name in found.items()})
    is_large = path.stat().st_size >= _LARGE_BYTES
    parts = _parts(body, layout, is_large)
    return RawTable(str(path), extra, parts, pieces.close, lacking(columns, found), may_be_plain=is_large)


def _header(path: Path, pieces: Iterator[Block | BadRow]) -> tuple[Iterator[Block | BadRow], list[str], str]:
    """Read the first line of the table: what follows it, its fields and their delimiter."""
    first = next(pieces, None)
    while isinstance(first, Block) and not first.data.strip():
        first = next(pieces, None)
    if first is None:
        raise EmptyTableError(path)
    if isinstance(first, BadRow):
        raise UnreadableFileError(
            path, f"line {first.line} is longer than {LINE_LIMIT:,} bytes, so it is not a header"
        )
    begin = range(min(len(first.ends), SOME_LINES))
    above = preamble([decode(first.line(i).removesuffix(b"\r")) or "" for i in begin])
    at = next((i for i in range(above.lines, len(first.ends)) if first.line(i).strip()), None)
    if at is None:
        raise EmptyTableError(path)
    header, delimiter = _header_fields(path, first.line(at), above.delimiter)
    rest = first.data[int(first.ends[at]) + 1 :]
    body = chain([block_of(rest, first.first_line + at + 1)] if rest else [], pieces)
    return body, header, delimiter


def _header_fields(path: Path, line: bytes, delimiter: str = "") -> tuple[list[str], str]:
    if b"\0" in line:
        raise UnreadableFileError(path, "its first line holds NUL bytes, so it is not UTF-8 text")
    text = decode(line.removesuffix(b"\r"))
    if text is None:
        raise UnreadableFileError(path, "its first line is neither UTF-8 nor Windows-1252 text")
    if "\r" in text:
        raise UnreadableFileError(path, "its lines end in CR alone", hint="save it with LF or CRLF line ends")
    bare = "".join(text.split('"')[::2])  # what is outside quotes
    delimiter = delimiter or max(DELIMITERS, key=bare.count)
    return next(csv.reader([text], delimiter=delimiter)), delimiter


def _parts(pieces: Iterator[Block | BadRow], layout: Layout, is_large: bool) -> Iterator[Part]:
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
            rows, done = read_carefully(block, layout, is_last=False)
            held = block.data[int(block.ends[done - 1]) + 1 if done else 0 :]
            yield _Ready(rows)
        else:
            yield (LargePart if is_large else _Part)(block, layout)
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
        return rows if rows is not None else read_carefully(self.block, self.layout, is_last=True)[0]


class LargePart(_Part):
    """A block of a large file, which is worth compiled code where its values are plain."""

    def plain(self, kinds: Mapping[str, Kind]) -> Plain | None:
        """See :class:`ml_sys.data.reading.plain.MayBePlain`."""
        places = self.layout.places
        if not are_plain(kinds) or len({places[name] for name in kinds}) < len(kinds):
            return None
        columns, n_counts = [(Kind.ANY, 0)] * self.layout.n_fields, 0
        for name, kind in kinds.items():
            columns[places[name]] = kind, n_counts
            n_counts += kind == Kind.COUNT
        n_lines = len(self.block.ends)
        found = read_plain(self.block.data, n_lines, self.layout.delimiter, columns)
        first = self.block.first_line
        return found and Plain(*found, np.arange(first, first + n_lines, dtype=np.int64))


@dataclass(frozen=True)
class _Ready:
    """Rows that had to be read while the file was cut."""

    rows: Rows

    def __call__(self) -> Rows:
        return self.rows


@dataclass(frozen=True)
class _Single:
    """A line that is not a row."""

    layout: Layout
    bad: BadRow

    def __call__(self) -> Rows:
        return collect({field: [] for field in self.layout.places}, [], [], [self.bad])


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
    return Rows(texts, lines, lambda i: shown(block.line(i)))


def _single_chunk(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
