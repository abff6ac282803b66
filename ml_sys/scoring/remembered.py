"""Lists written before there was a store: one CSV file per cutoff, named after it.

They are read, and a company can be removed from them; new ones are not written. Ids were written safe for
spreadsheets, and are read back in their original form.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ml_sys.days import day_number
from ml_sys.durable import replacing
from ml_sys.errors import InputError
from ml_sys.model.threshold import TIERS
from ml_sys.scoring.ranking import ENDS_A_CELL, from_spreadsheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


FOLDER = "lists"
COLUMNS = ("rank", "id", "probability", "tier", "model_version", "cutoff")
_ID = COLUMNS.index("id")
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.csv")


class RememberedListError(InputError):
    """A file among the remembered lists is not a list, or was damaged."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}",
            hint="restore the file that `score` wrote, or move it away to leave it out",
        )


@dataclass(frozen=True)
class Remembered:
    """A company on a remembered list, and the version that ranked it."""

    company: str
    rank: int
    probability: float
    tier: str
    version: str


def lists_of(folder: Path) -> list[tuple[int, Path]]:
    """Return day, since 1970-01-01, and file of each list of a folder that may be missing, by day.

    Raises
    ------
    RememberedListError
        If there is another file.
    """
    if not folder.is_dir():
        return []
    lists = []
    for path in folder.iterdir():
        if path.name.startswith("."):  # from a killed writer, or a file manager
            continue
        named = _NAME.fullmatch(path.name)
        try:
            day = date.fromisoformat(named[1]) if named else None
        except ValueError:
            day = None
        if day is None:
            raise RememberedListError(path, "is not a list: its name should be a date, YYYY-MM-DD.csv")
        lists.append((day_number(day), path))
    return sorted(lists)


def companies_of(path: Path) -> list[Remembered]:
    """Return the companies on a list, by rank.

    Raises
    ------
    RememberedListError
        If the file is not a valid list.
    """
    return [
        Remembered(from_spreadsheet(name), int(rank), float(probability), tier, version)
        for rank, name, probability, tier, version, _ in _rows(path)
    ]


def forget(path: Path, company: str, *, dry_run: bool = False) -> int:
    """Remove a company from a list, and return its number of rows; other companies keep their ranks.

    Raises
    ------
    RememberedListError
        If the file is not a valid list.
    StorageError
        If it cannot be written.
    """
    rows = list(_rows(path))
    kept = [row for row in rows if from_spreadsheet(row[_ID]) != company]
    if len(kept) < len(rows) and not dry_run:
        broken = any(re.search(f"[{ENDS_A_CELL}]", row[_ID]) for row in kept)
        text = io.StringIO(newline="")
        form = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL)
        form.writerows([COLUMNS, *kept])
        with replacing(path) as sink:
            sink.write(text.getvalue().encode())
    return len(rows) - len(kept)


def _rows(path: Path) -> Iterator[list[str]]:
    """Read the rows of a list, checking that every cell could have been written by `score`."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RememberedListError(path, f"cannot be read: {error}") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise RememberedListError(path, f"row 1: the columns are not {', '.join(COLUMNS)}")
    last_rank = 0
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS):
            raise RememberedListError(path, f"row {number}: {len(row)} cells instead of {len(COLUMNS)}")
        rank, name, probability, tier, version, cutoff = row
        holds = {
            "rank": rank.isdecimal() and int(rank) > last_rank,  # a gap is a company that was forgotten
            "id": bool(name.strip()),
            "probability": _is_probability(probability),
            "tier": tier in TIERS,
            "model_version": bool(version),
            "cutoff": cutoff == path.stem,
        }
        for column, cell in zip(COLUMNS, row, strict=True):
            if not holds[column]:
                raise RememberedListError(path, f"row {number}, column {column!r}: {cell!r} is not valid")
        last_rank = int(rank)
        yield row


def _is_probability(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
