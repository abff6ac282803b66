"""Find lines above the header of a table: ``sep=;``, comments, the title of a report.

Invariant: a line is skipped only if the lines below it show that it is not part of the table.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Lines to look at, and how many of them may be above a header.
SOME_LINES, _MOST = 60, 20
_DELIMITERS = (",", ";", "\t", "|")
_SAYS_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_COMMENT = re.compile(r"\s*(#|//|--)")
_SPACED_COMMENT = re.compile(r"\s*(#|//|--)\s")
_NAME = re.compile(r"\s*[^\W\d].*|_.*")
# A line that lacks only the last of this many fields is a header and not a title.
_LEAST_FIELDS = 3


@dataclass(frozen=True)
class Preamble:
    """The lines above a header.

    Attributes
    ----------
    lines : int
        Their number, including blank ones.
    delimiter : str
        The delimiter that the first line names; empty if it names none.
    """

    lines: int = 0
    delimiter: str = ""


def preamble(lines: Sequence[str]) -> Preamble:
    """Find the lines above the header in the first lines of a file, given without line ends.

    Examples
    --------
    >>> preamble(["# exported by hand", "id,day,n", "1,2024-01-01,3"])
    Preamble(lines=1, delimiter='')
    >>> preamble(["sep=;", "id;day", "1;2024-01-01"])
    Preamble(lines=1, delimiter=';')
    """
    if not lines:
        return Preamble()
    says = _SAYS_DELIMITER.fullmatch(lines[0])
    begin, named = (1, says.group(1)) if says else (0, "")
    delimiter, n = _shape(lines[begin:], named)
    if n < 2:
        return Preamble(begin, named)
    passed: list[str] = []
    for at, line in enumerate(lines[begin : begin + _MOST], start=begin):
        fields = _fields(line, delimiter)
        if line.strip() and len(fields) >= n and not _is_comment(lines, at, delimiter, n):
            above = bool(passed) and _may_be_passed(passed, fields, delimiter, n)
            return Preamble(at, named) if above else Preamble(begin, named)
        if line.strip():
            passed.append(line)
    return Preamble(begin, named)


def _shape(lines: Sequence[str], named: str) -> tuple[str, int]:
    """Return the delimiter, and the number of fields of most lines."""
    found = []
    for delimiter in (named,) if named else _DELIMITERS:
        counts = Counter(len(_fields(line, delimiter)) for line in lines if line.strip())
        usual, times = max(counts.items(), key=lambda one: (one[1], one[0]), default=(0, 0))
        found.append((usual if times > 1 or len(counts) == 1 else 0, delimiter))
    n, delimiter = max(found, key=lambda one: one[0])
    return delimiter, n


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _is_comment(lines: Sequence[str], at: int, delimiter: str, n: int) -> bool:
    """Return whether a line is a comment although it has as many fields as the table."""
    if not _SPACED_COMMENT.match(lines[at]):
        return False
    below = next((line for line in lines[at + 1 :] if line.strip() and not _COMMENT.match(line)), "")
    names = _fields(below, delimiter)
    return len(names) == n and _are_names(names)


def _may_be_passed(passed: Sequence[str], header: Sequence[str], delimiter: str, n: int) -> bool:
    if all(_COMMENT.match(line) for line in passed):
        return True
    is_title = n >= _LEAST_FIELDS and len(_fields(passed[0], delimiter)) == 1
    return is_title and len(header) == n and _are_names(header)


def _are_names(fields: Sequence[str]) -> bool:
    """Return whether fields may be column names, of which the last may be empty."""
    *most, last = (one.strip() for one in fields)
    return all(_NAME.fullmatch(one) for one in most) and (not last or bool(_NAME.fullmatch(last)))
