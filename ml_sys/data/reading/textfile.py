"""Read text files of any size as blocks of whole lines: decompressed, UTF-8, numbered.

Invariant: memory stays within a few blocks, however long the file or any line is.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import pyarrow as pa

from ml_sys.data.reading.rows import RAW_LIMIT, BadRow
from ml_sys.engine.addresses import Address
from ml_sys.errors import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from ml_sys.engine.places import Place

BLOCK_BYTES = 8 << 20
_LOOKED_AT = 1 << 18  # bytes at a time, so that intermediate results stay in the processor's cache
LINE_LIMIT = 1 << 20  # bytes; no row of these tables comes near it
LINE_TOO_LONG = "line longer than 1 MiB"

GZIP, ZSTD, PARQUET, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"PK\x03\x04"
# The four-byte marks come first, as the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class ByteStream(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@dataclass(frozen=True)
class Block:
    """Consecutive lines.

    Attributes
    ----------
    data : bytes
        Whole lines; the last one has its line end, too.
    first_line : int
        Line number of the first, from 1.
    n_lines : int
    """

    data: bytes
    first_line: int
    n_lines: int

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Position of each line's end in ``data``; lines are counted six times as fast as they are found."""
        found = [np.flatnonzero(piece) + at for at, piece in _line_ends(self.data)]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def line(self, position: int) -> bytes:
        """Return one line without its end."""
        start = int(self.ends[position - 1]) + 1 if position else 0
        return self.data[start : int(self.ends[position])]


@contextmanager
def reading(path: Place) -> Iterator[None]:
    """Turn any error while reading a file into one that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            path, f"its byte order mark says {error.encoding}, but {error.reason}"
        ) from error
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        why = " ".join(why.split())
        raise (path.failed(why) if isinstance(path, Address) else UnreadableFileError(path, why)) from error


def magic(path: Place) -> bytes:
    """Return the first four bytes of a file."""
    with reading(path), path.open("rb", buffering=0) as file:
        return file.read(4)


def open_text(path: Place) -> ByteStream:
    """Open a file as UTF-8 without byte order mark, decompressing gzip and Zstandard."""
    start = magic(path)
    stream: ByteStream
    packed = path.open() if isinstance(path, Address) and start.startswith((GZIP, ZSTD)) else None
    if start.startswith(GZIP):
        stream = cast("ByteStream", gzip.open(packed or str(path)))  # noqa: SIM115 - `blocks` closes it
    elif start == ZSTD:
        stream = cast("ByteStream", pa.input_stream(packed or str(path), compression="zstd"))
    else:
        stream = path.open("rb")
    try:
        with reading(path):
            begin = _read_fully(stream, 4)
    except UnreadableFileError:
        _Stream(stream, b"", packed).close()
        raise
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            if encoding == "utf-8":
                return _Stream(stream, begin[len(mark) :], packed)
            return _Transcoded(stream, begin, encoding, packed)
    return _Stream(stream, begin, packed)


def blocks(path: Place, stream: ByteStream) -> Generator[Block | BadRow, None, None]:
    """Cut a stream into blocks of whole lines, and lines that are too long.

    Parameters
    ----------
    path : Path or Address
        For messages.
    stream : ByteStream
        UTF-8; is closed at the end.

    Yields
    ------
    Block or BadRow
        In the order of the file; no line of a block is longer than `LINE_LIMIT`.
    """
    pending, number, more = b"", 1, True
    try:
        while more:
            with reading(path):
                chunk = stream.read(BLOCK_BYTES)
            more = bool(chunk)
            if not more and pending:
                chunk = b"\n"
            cut = chunk.rfind(b"\n") + 1
            begun, rest = pending, chunk[cut : cut + LINE_LIMIT + 1]
            # Only the beginning of a line that is too long is needed.
            pending = rest if cut else (begun + rest)[: LINE_LIMIT + 1]
            if cut:
                data = chunk = b"".join((begun, memoryview(chunk)[:cut]))  # one copy while it is read
                whole = block_of(data, number)
                yield from _without_long_lines(whole)
                number += whole.n_lines
    finally:
        stream.close()


def block_of(data: bytes, first_line: int) -> Block:
    """Make a block from bytes that end with a line end."""
    return Block(data, first_line, sum(int(np.count_nonzero(piece)) for _, piece in _line_ends(data)))


def _line_ends(data: bytes) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Flag the line ends in each piece of `_LOOKED_AT` bytes, with the place where the piece begins."""
    content = np.frombuffer(data, np.uint8)
    for at in range(0, len(content), _LOOKED_AT):
        yield at, content[at : at + _LOOKED_AT] == ord("\n")


def _without_long_lines(whole: Block) -> Iterator[Block | BadRow]:
    data, first_line = whole.data, whole.first_line
    half = LINE_LIMIT // 2  # a line above the limit spans a whole one of the pieces of this size
    if all(data.find(b"\n", at, at + half) >= 0 for at in range(0, len(data), half)):
        yield whole
        return
    lengths = np.diff(whole.ends, prepend=-1) - 1
    if lengths.max() <= LINE_LIMIT:
        yield whole
        return
    begin = 0
    for position in np.flatnonzero(lengths > LINE_LIMIT):
        end = int(whole.ends[position])
        start = end - int(lengths[position])
        if start > begin:
            yield block_of(data[begin:start], first_line + int(np.searchsorted(whole.ends, begin)))
        shown = data[start : start + 4 * RAW_LIMIT].decode("utf-8", "replace")[:RAW_LIMIT]
        yield BadRow(first_line + int(position), LINE_TOO_LONG, shown)
        begin = end + 1
    if begin < len(data):
        yield block_of(data[begin:], first_line + int(np.searchsorted(whole.ends, begin)))


def _read_fully(stream: ByteStream, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


class _Stream:
    """A stream with its first bytes put back, and what it unpacks, which is closed with it."""

    def __init__(self, stream: ByteStream, begin: bytes, packed: ByteStream | None = None) -> None:
        self._stream = stream
        self._begin = begin
        self._packed = packed

    def read(self, size: int, /) -> bytes:
        if self._begin:
            begin, self._begin = self._begin, b""
            return begin + _read_fully(self._stream, size - len(begin))
        return _read_fully(self._stream, size)

    def close(self) -> None:
        self._stream.close()
        if self._packed is not None:
            self._packed.close()


class _Transcoded(_Stream):
    """A stream of UTF-16 or UTF-32 as UTF-8."""

    def __init__(
        self, stream: ByteStream, begin: bytes, encoding: str, packed: ByteStream | None = None
    ) -> None:
        super().__init__(stream, begin, packed)
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, size: int, /) -> bytes:
        text = ""
        while not text:
            data = super().read(size)
            text = self._decoder.decode(data, final=not data)
            if not data:
                break
        return text.encode()
