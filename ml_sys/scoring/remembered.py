"""Lists that were handed out, one plain CSV file per cutoff, so that a cool-down knows who was on them.

A list is named for its cutoff and replaced when that day is scored again. Its ids stand as a spreadsheet may
open them, and are read back as they were.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.days import day_number
from ml_sys.durable import replacing
from ml_sys.errors import InputError
from ml_sys.model.threshold import TIERS
from ml_sys.scoring.cooldown import NEVER_LISTED
from ml_sys.scoring.ranking import ENDS_A_CELL, from_spreadsheet, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

FOLDER = "lists"
COLUMNS = ("rank", "id", "probability", "tier", "model_version", "cutoff")
_ID = COLUMNS.index("id")
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.csv")


class RememberedListError(InputError):
    """A file among the remembered lists is none, or was damaged."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}",
            hint="put back what `score` wrote, or take the file away: its companies then cool down no more",
        )


def remember_top(table: pd.DataFrame, artifacts_dir: Path, capacity: int) -> Path | None:
    """Remember the companies that a list hands out, and return where; None for an empty list.

    These are the first ``capacity``, without any that cool down: they are not to be called.
    """
    if not len(table):
        return None
    fresh = table[table["listed_on"] == ""] if "listed_on" in table else table
    return remember(artifacts_dir / FOLDER, fresh.head(capacity), str(table["cutoff"].iloc[0]))


def remember(folder: Path, table: pd.DataFrame, cutoff: str) -> Path:
    """Write the list of a cutoff in place of any that is there, and return where.

    Parameters
    ----------
    table : DataFrame
        The companies that are handed out, with the columns ``COLUMNS``.
    cutoff : str
        Its day, YYYY-MM-DD.

    Raises
    ------
    StorageError
        If the file system refuses.
    """
    path = folder / f"{cutoff}.csv"
    with replacing(path) as sink:
        write_csv(table[list(COLUMNS)], sink)
    return path


def last_listed(folder: Path, *, after: int, before: int) -> dict[str, int]:
    """Return the latest day on which each company was listed, between two days that do not count themselves.

    Parameters
    ----------
    folder : Path
        May be missing.
    after, before : int
        Days since 1970-01-01.

    Returns
    -------
    dict of str to int
        By id.

    Raises
    ------
    RememberedListError
        If there is another file, or a list of these days does not read as one.
    """
    found: dict[str, int] = {}
    for day, path in _lists(folder):
        if after < day < before:
            found.update(dict.fromkeys((from_spreadsheet(row[_ID]) for row in _rows(path)), day))
    return found


def days_of(ids: Iterable[str], listed: Mapping[str, int]) -> NDArray[np.int32]:
    """Return the day on which each id was last listed, ``NEVER_LISTED`` where it was not."""
    return np.array([listed.get(name, NEVER_LISTED) for name in ids], dtype=np.int32)


def forget(path: Path, company: str, *, dry_run: bool = False) -> int:
    """Take a company out of a list, and return how many rows held it; the others keep their ranks.

    Raises
    ------
    RememberedListError
        If the file does not read as a list.
    StorageError
        If it cannot be written.
    """
    rows = list(_rows(path))
    kept = [row for row in rows if from_spreadsheet(row[_ID]) != company]
    if len(kept) < len(rows) and not dry_run:
        broken = any(ENDS_A_CELL.search(row[_ID]) for row in kept)
        text = io.StringIO(newline="")
        form = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL)
        form.writerows([COLUMNS, *kept])
        with replacing(path) as sink:
            sink.write(text.getvalue().encode())
    return len(rows) - len(kept)


def _lists(folder: Path) -> list[tuple[int, Path]]:
    """Return day and path of each list, the oldest first."""
    if not folder.is_dir():
        return []
    lists = []
    for path in folder.iterdir():
        if path.name.startswith("."):  # of a writer that was killed, or of a file manager
            continue
        named = _NAME.fullmatch(path.name)
        try:
            day = date.fromisoformat(named[1]) if named else None
        except ValueError:
            day = None
        if day is None:
            raise RememberedListError(path, "no list, whose name would be its date, YYYY-MM-DD.csv")
        lists.append((day_number(day), path))
    return sorted(lists)


def _rows(path: Path) -> Iterator[list[str]]:
    """Read the rows of a list, and hold every cell against what `score` writes."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RememberedListError(path, f"cannot be read: {error}") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise RememberedListError(path, f"row 1: the columns are not {', '.join(COLUMNS)}")
    last_rank = 0
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS):
            raise RememberedListError(path, f"row {number}: {len(row)} cells in place of {len(COLUMNS)}")
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
                raise RememberedListError(path, f"row {number}, column {column!r}: {cell!r} is not possible")
        last_rank = int(rank)
        yield row


def _is_probability(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
