"""Read CSV in two ways: fast for clean blocks, and line by line for others.

Invariant: both ways give the same rows for a clean block, and every line of the file is part of one row,
quarantined once, or blank.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ml_sys.data.reading.careful import QUOTED_LINES, Layout, collect, decode, read_carefully, shown
from ml_sys.data.reading.preamble import SOME_LINES, preamble
from ml_sys.data.reading.rows import BadRow, Part, RawRows, RawTable
from ml_sys.data.reading.textfile import LINE_LIMIT, Block, block_of, blocks, open_text
from ml_sys.data.schema import lacking, matched_columns
from ml_sys.errors import EmptyTableError, InputError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ml_sys.engine.places import Place

DELIMITERS = (",", ";", "\t")

_LOOKED_AT = 1 << 18
# Arrow's own pool gives memory back between blocks, and fresh memory of the system's is slow.
_POOL = pa.system_memory_pool()
_HEXADECIMAL = (b"x", b"X")  # Arrow takes 0x1F for 31


def open_csv(path: Place, columns: Mapping[str, str], may_lack: Collection[str] = ()) -> RawTable:
    """Open a CSV file, compressed or not, and check its header.

    Parameters
    ----------
    columns : mapping of str to str
        Field to column.
    may_lack : collection of str
        Fields whose column may be missing.

    Raises
    ------
    EmptyTableError
        If there is not even a header.
    UnreadableFileError
        If the file is damaged or not text.
    MissingColumnError, RepeatedColumnError
        If the header lacks or repeats a column.
    """
    pieces = blocks(path, open_text(path))
    try:
        body, header, delimiter = _header(path, pieces)
        found, extra = matched_columns(str(path), header, columns, may_lack)
    except InputError:
        pieces.close()
        raise
    layout = Layout(delimiter, len(header), {key: header.index(name) for key, name in found.items()})
    return RawTable(str(path), extra, _parts(body, layout), pieces.close, lacking(columns, found))


def _header(path: Place, pieces: Iterator[Block | BadRow]) -> tuple[Iterator[Block | BadRow], list[str], str]:
    """Read the header; return the blocks that follow it, its fields and their delimiter."""
    first = next(pieces, None)
    while isinstance(first, Block) and not first.data.strip():
        first = next(pieces, None)
    if first is None:
        raise EmptyTableError(path)
    if isinstance(first, BadRow):
        raise UnreadableFileError(
            path, f"line {first.line} is longer than {LINE_LIMIT:,} bytes, so it is not a header"
        )
    begin = range(min(first.n_lines, SOME_LINES))
    above = preamble([decode(first.line(i).removesuffix(b"\r")) or "" for i in begin])
    at = next((i for i in range(above.lines, first.n_lines) if first.line(i).strip()), None)
    if at is None:
        raise EmptyTableError(path)
    header, delimiter = _header_fields(path, first.line(at), above.delimiter)
    start = int(first.ends[at]) + 1
    rest = Block(first.data[start:], first.first_line + at + 1, first.n_lines - at - 1)
    body = chain([rest] if rest.data else [], pieces)
    return body, header, delimiter


def _header_fields(path: Place, line: bytes, delimiter: str = "") -> tuple[list[str], str]:
    if b"\0" in line:
        raise UnreadableFileError(path, "its first line holds NUL bytes, so it is not UTF-8 text")
    text = decode(line.removesuffix(b"\r"))
    if text is None:
        raise UnreadableFileError(path, "its first line is neither UTF-8 nor Windows-1252 text")
    if "\r" in text:
        raise UnreadableFileError(
            path, "its lines end in a bare CR", hint="save it with LF or CRLF line ends"
        )
    bare = "".join(text.split('"')[::2])  # what is outside quotes
    delimiter = delimiter or max(DELIMITERS, key=bare.count)
    return next(csv.reader([text], delimiter=delimiter)), delimiter


def _parts(pieces: Iterator[Block | BadRow], layout: Layout) -> Iterator[Part]:
    """Make each block a part, unless a quoted field may continue in the next one."""
    held, so_far = b"", _SoFar()
    for piece in pieces:
        if isinstance(piece, BadRow):
            if held:
                yield TextPart(block_of(held, piece.line - held.count(b"\n")), layout, so_far)
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
            yield TextPart(block, layout, so_far)
        last_line = block.first_line + block.n_lines
    if held:
        yield TextPart(block_of(held, last_line - held.count(b"\n")), layout, so_far)


def _may_go_on(block: Block) -> bool:
    tail = range(max(0, block.n_lines - QUOTED_LINES), block.n_lines)
    return b'"' in block.data and any(block.line(i).count(b'"') % 2 for i in tail)


@dataclass
class _SoFar:
    """What the parts of a file have shown so far: whether trying to read counts as numbers is worthwhile."""

    counts_are_numbers: bool = True


@dataclass(frozen=True)
class TextPart:
    """A block that is read when called."""

    block: Block
    layout: Layout
    so_far: _SoFar = field(default_factory=_SoFar)

    def __call__(self) -> RawRows:
        """Read its columns as texts."""
        return self._read(frozenset())

    def counted(self, fields: Collection[str]) -> RawRows:
        """See :class:`ml_sys.data.reading.rows.CountedPart`."""
        return self._read(frozenset(fields))

    def _read(self, counts: frozenset[str]) -> RawRows:
        if counts and self.so_far.counts_are_numbers:
            rows = _read_fast(self.block, self.layout, counts)
            if rows is not None:
                return rows
            self.so_far.counts_are_numbers = False
        rows = _read_fast(self.block, self.layout)
        return rows if rows is not None else read_carefully(self.block, self.layout, is_last=True)[0]


@dataclass(frozen=True)
class _Ready:
    """Rows that had to be read while cutting the file."""

    rows: RawRows

    def __call__(self) -> RawRows:
        return self.rows


@dataclass(frozen=True)
class _Single:
    """A line that is not a row."""

    layout: Layout
    bad: BadRow

    def __call__(self) -> RawRows:
        return collect({name: [] for name in self.layout.places}, [], [], [self.bad])


def _read_fast(block: Block, layout: Layout, counts: frozenset[str] = frozenset()) -> RawRows | None:
    """Read a block in which every line is one row; None if that is not certain.

    Also None if a field that should be a count is not a whole number from 0.
    """
    data, n_lines = block.data, block.n_lines
    odd = _found(data, (b"\0", b"\r", b'"', *_HEXADECIMAL))
    if b"\0" in odd or (b"\r" in odd and data.count(b"\r") != data.count(b"\r\n")):
        return None
    # A blank line, which is not a row, holds no count either, so Arrow refuses it where one is read.
    if counts.isdisjoint(layout.places) and np.diff(block.ends, prepend=-1).min() <= len(b"\r\n"):
        return None
    if b'"' in odd and block.line(n_lines - 1).count(b'"') % 2:
        return None
    if counts and any(b"0" + one in data for one in odd.intersection(_HEXADECIMAL)):
        return None
    names = [str(i) for i in range(layout.n_fields)]
    as_texts = {i for name, i in layout.places.items() if name not in counts}
    wanted = {str(i): pa.string() if i in as_texts else pa.int32() for i in layout.places.values()}
    source: Any = pa.BufferReader(data)
    try:
        table = pyarrow.csv.read_csv(
            source,
            # One thread, because parts are read in parallel, and one chunk, which nobody has to put together.
            pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data)),
            pyarrow.csv.ParseOptions(delimiter=layout.delimiter, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                include_columns=list(wanted), column_types=wanted, strings_can_be_null=False, null_values=[]
            ),
            memory_pool=_POOL,
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != n_lines:
        return None
    columns = {name: _single_chunk(table.column(str(i))) for name, i in layout.places.items()}
    texts = {name: one for name, one in columns.items() if layout.places[name] in as_texts}
    numbers = {name: one.to_numpy() for name, one in columns.items() if name not in texts}
    if any(one.min(initial=0) < 0 for one in numbers.values()):
        return None
    lines = np.arange(block.first_line, block.first_line + n_lines, dtype=np.int64)
    return RawRows(texts, lines, lambda i: shown(block.line(i)), counts=numbers)


def _found(data: bytes, some: tuple[bytes, ...]) -> set[bytes]:
    """Return which of some bytes there are; looking for all of them in a piece at a time suits the cache.

    A single byte is found twenty times as fast as two of which one, such as a zero, is everywhere.
    """
    pieces = range(0, len(data), _LOOKED_AT)
    return {one for at in pieces for one in some if data.find(one, at, at + _LOOKED_AT) >= 0}


def _single_chunk(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks(memory_pool=_POOL)
