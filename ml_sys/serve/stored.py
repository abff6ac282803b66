"""How a prediction is stored in a database: time as sortable text, and a digest of what the model saw."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from ml_sys.outcomes.lists import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.serve.prediction_log import Logged

DIGEST_BYTES = 8
_DATE_DIGITS = 10
# Adds to what is counted already; as SQLite and PostgreSQL both have it, but for the marks of parameters.
COUNT_INPUTS = (
    "INSERT INTO served_inputs (day, version, input, predictions) VALUES ({})"
    " ON CONFLICT (day, version, input)"
    " DO UPDATE SET predictions = served_inputs.predictions + excluded.predictions"
)
FORGET_INPUTS = "DELETE FROM served_inputs WHERE day < {}"
# The columns of a row, in the order of what `as_row` returns.
COLUMNS = ("at", "version", "company", "features", "probability")
# How the log of predictions was called when it had a file of its own.
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
    """Count by day, version and input how many predictions there are (""), and what was noticed of them.

    In order, so that servers that write at once wait for each other and never crosswise.
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
