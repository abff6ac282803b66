"""How a prediction is stored in a database: time as sortable text, and a digest of what the model saw."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from ml_sys.durable import storage_errors
from ml_sys.outcomes.database.revisions import APPLICATION_ID
from ml_sys.outcomes.lists import storable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from ml_sys.serve.prediction_log import Logged

DIGEST_BYTES = 8
_DATE_DIGITS = 10
# Adds to the stored counts; the same in SQLite and PostgreSQL, apart from the parameter marks.
COUNT_INPUTS = (
    "INSERT INTO served_inputs (day, version, input, predictions) VALUES ({})"
    " ON CONFLICT (day, version, input)"
    " DO UPDATE SET predictions = served_inputs.predictions + excluded.predictions"
)
FORGET_INPUTS = "DELETE FROM served_inputs WHERE day < {}"
# The columns of a row, in the order of what `as_row` returns.
COLUMNS = ("at", "version", "company", "features", "probability")
# Name of the prediction log's file before there was a store.
OLD_FILE = "predictions.sqlite"


def as_row(prediction: Logged) -> tuple[object, ...]:
    """Return a prediction as a row of ``COLUMNS``."""
    return (
        time_text(prediction.at),
        prediction.version,
        None if prediction.company is None else storable(prediction.company),
        blake2b(prediction.row, digest_size=DIGEST_BYTES).hexdigest(),
        float(prediction.probability),
    )


def inputs_of(predictions: Sequence[Logged]) -> list[tuple[str, str, str, int]]:
    """Count predictions by day and version: all of them (""), and those with each noticed input.

    Sorted, so that servers that write at once wait for each other but never deadlock.
    """
    found: Counter[tuple[str, str, str]] = Counter()
    for one in predictions:
        day = _as_text(int(one.at))[:_DATE_DIGITS]
        for noticed in ("", *one.noticed):
            found[day, one.version, noticed] += 1
    return [(*key, count) for key, count in sorted(found.items())]


def time_text(at: float) -> str:
    """Return seconds since 1970-01-01 in ISO 8601, UTC, to the millisecond."""
    second, millisecond = divmod(round(at * 1000), 1000)
    return f"{_as_text(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=8)  # a batch holds thousands of predictions of the same second
def _as_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def mark_of(connection: sqlite3.Connection, name: str, database: str) -> str | None:
    """Return what identifies an old log once it has been imported; None if it is not such a log."""
    if number_of(connection, "application_id", database) != APPLICATION_ID:
        return None
    first = connection.execute(f"SELECT rowid, at FROM {database}.predictions ORDER BY rowid LIMIT 1")  # noqa: S608 - our constants
    return f"{name} {first.fetchone()}"


def remove(old: Path) -> None:
    """Remove a file of SQLite and what belongs to it."""
    with storage_errors(old):
        for path in (old, old.with_name(f"{old.name}-wal"), old.with_name(f"{old.name}-shm")):
            path.unlink(missing_ok=True)


def number_of(connection: sqlite3.Connection, pragma: str, database: str = "main") -> int:
    """Return a number that SQLite keeps in the head of a file."""
    return int(connection.execute(f"PRAGMA {database}.{pragma}").fetchone()[0])


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
