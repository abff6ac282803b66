"""Read a block of CSV line by line, handling quotes, bytes that are not text, and malformed lines.

Invariant: every line is part of one row, quarantined once, or blank. A line that is not UTF-8 is read as
Windows-1252 if it is text in that encoding.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ml_sys.data.reading.rows import RAW_LIMIT, BadRow, RawRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ml_sys.data.reading.textfile import Block

QUOTED_LINES = 10  # a quoted field may span this many lines; beyond that, its quote was a stray one

UNCLOSED_QUOTE = "unclosed quote"

WRONG_FIELDS = "wrong number of fields"

NUL_BYTE = "NUL byte"

NOT_TEXT = "not text in UTF-8 or Windows-1252"

NO_FIELDS = "cannot be split into fields"


@dataclass(frozen=True)
class Layout:
    """The layout of a file's lines.

    Attributes
    ----------
    n_fields : int
        Number of columns in the header.
    places : mapping of str to int
        Field to position in a row.
    """

    delimiter: str
    n_fields: int
    places: Mapping[str, int]


def read_carefully(block: Block, layout: Layout, *, is_last: bool) -> tuple[RawRows, int]:
    """Read a block line by line.

    Returns the rows and the number of lines used: all of them if ``is_last``, otherwise those before a quoted
    field that may continue in the next block.
    """
    texts: dict[str, list[str]] = {field: [] for field in layout.places}
    starts: list[int] = []
    raws: list[str] = []
    bad: list[BadRow] = []
    lines = block.data.split(b"\n")[:-1]
    at = 0
    while at < len(lines):
        line = lines[at].removesuffix(b"\r")
        text = decode(line)
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
            bad.append(BadRow(block.first_line + at, reason, shown(line)))
            at += 1
            continue
        for field, place in layout.places.items():
            texts[field].append(fields[place])
        starts.append(block.first_line + at)
        raws.append(shown(b"\n".join(lines[at : at + taken])))
        at += taken
    return collect(texts, starts, raws, bad), at


def decode(line: bytes) -> str | None:
    """Return a line as text; None if it is text neither in UTF-8 nor in Windows-1252."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        pass
    try:
        text = line.decode("cp1252")
    except UnicodeDecodeError:
        return None
    return None if any(character < " " and character != "\t" for character in text) else text


def shown(line: bytes) -> str:
    """Return the beginning of a line for the quarantine."""
    line = line[: 4 * RAW_LIMIT].removesuffix(b"\r")
    return (decode(line) or line.decode("utf-8", "replace"))[:RAW_LIMIT]


def collect(
    texts: Mapping[str, Sequence[str]], starts: Sequence[int], raws: Sequence[str], bad: Sequence[BadRow]
) -> RawRows:
    """Build `Rows` from texts by field, the line and raw text of each row, and lines that are not rows."""
    columns = {field: pa.array(values, pa.string()) for field, values in texts.items()}
    return RawRows(columns, np.array(starts, dtype=np.int64), raws.__getitem__, bad)


def _quoted(window: Sequence[bytes], layout: Layout) -> tuple[int, list[str] | None, str]:
    """Read a row whose first line has a quote; return the lines used, its fields, and a reason if bad."""
    taken = 0

    def feed() -> Iterator[str]:
        nonlocal taken
        for line in window:
            text = decode(line.removesuffix(b"\r"))
            if text is None or "\0" in text:
                break
            taken += 1
            yield text + "\n"
        taken += 1  # more lines were needed than there are: the quote is open

    try:
        fields = next(csv.reader(feed(), delimiter=layout.delimiter))
    except csv.Error:
        return 1, None, NO_FIELDS
    unclosed = taken > len(window) or (taken > 1 and not _is_row(window[:taken], layout))
    return (1, None, UNCLOSED_QUOTE) if unclosed else (taken, fields, "")


def _is_row(lines: Sequence[bytes], layout: Layout) -> bool:
    """Return whether lines are a row without stray quotes: two stray quotes would swallow all in between."""
    try:
        text = [f"{line.decode('utf-8', 'replace')}\n" for line in lines]
        return len(next(csv.reader(text, delimiter=layout.delimiter, strict=True))) == layout.n_fields
    except csv.Error:
        return False
