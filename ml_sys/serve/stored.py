"""How a prediction stands in a database: time as text that sorts, and a digest of what the model saw."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from ml_sys.outcomes.lists import storable

if TYPE_CHECKING:
    from ml_sys.serve.prediction_log import Logged

DIGEST_BYTES = 8
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


def time_text(at: float) -> str:
    """Return seconds since 1970-01-01 in ISO 8601, UTC, to the millisecond."""
    second, millisecond = divmod(round(at * 1000), 1000)
    return f"{_as_text(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=8)  # a batch holds thousands of predictions of the same second
def _as_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
