"""Make batches for `EventLog` of checked rows of a table of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.events.log import Batch
from ml_sys.data.reading.rows import RAW_LIMIT, BadRow
from ml_sys.data.usage import LOST_COMPANY, UNKNOWN_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.events.links import Links

ID, USER, AT, EVENT, EVENT_ID = "id", "user", "at", "event", "event_id"


def batch_of(
    columns: Mapping[str, Any],
    lines: NDArray[np.int64],
    amounts: Sequence[str],
    entities: Links | Callable[[Any], NDArray[np.int32]],
    lost: frozenset[str] = frozenset(),
) -> tuple[Batch, list[BadRow]]:
    """Look up the entities of checked rows.

    Parameters
    ----------
    columns : mapping of str to array of length n
        ``at`` in int64 microseconds of local time, each amount in int64 of its digits, and as
        `pyarrow.StringArray` ``id`` or ``user`` and those of ``user``, ``event`` and ``event_id`` that there are.
    lines : ndarray of shape (n,), int64
    amounts : sequence of str
        Names of the amounts, in the order of the measures.
    entities : Links or callable
        Leads from users to their entities; or from ids to positions, -1 for an unknown one.
    lost : frozenset of str
        Ids of entities whose every row is in quarantine.

    Returns
    -------
    Batch
        The events of known entities.
    list of BadRow
        The others.
    """
    if callable(entities):
        named, position = columns[ID], entities(columns[ID])
        at = np.flatnonzero(position >= 0)
        entity = position[at]
    else:
        named = columns[USER]
        at, entity = entities.of(named)
    unknown = np.setdiff1d(np.arange(len(lines)), at)
    values = np.stack([columns[name] for name in amounts], axis=1) if amounts else np.zeros((len(lines), 0), np.int64)
    texts = [columns[name].take(at) if name in columns else None for name in (EVENT, USER, EVENT_ID)]
    batch = Batch(entity, columns[AT][at], values[at], lines[at], *texts)
    return batch, _strangers(named, columns, lines, amounts, unknown, lost)


def _strangers(
    named: Any,
    columns: Mapping[str, Any],
    lines: NDArray[np.int64],
    amounts: Sequence[str],
    at: NDArray[np.intp],
    lost: frozenset[str],
) -> list[BadRow]:
    if not at.size:
        return []
    names = named.take(at).to_pylist()
    stamps = np.datetime_as_string(columns[AT][at].astype("datetime64[us]"), unit="us").tolist()
    kinds = columns[EVENT].take(at).to_pylist() if EVENT in columns else [""] * len(at)
    numbers = [columns[name][at].tolist() for name in amounts]
    said = zip(names, (one.replace("T", " ") for one in stamps), kinds, *numbers, strict=True)
    return [
        BadRow(line, LOST_COMPANY if name in lost else UNKNOWN_ID, ",".join(map(str, row))[:RAW_LIMIT])
        for line, name, row in zip(lines[at].tolist(), names, said, strict=True)
    ]
