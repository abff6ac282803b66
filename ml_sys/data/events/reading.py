"""Make batches of events from checked rows, and convert them to Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.fields import AT, EVENT, EVENT_ID, ID, USER
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading.rows import RAW_LIMIT, BadRow
from ml_sys.data.usage import UNKNOWN_ID
from ml_sys.days import DAY_MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.events.links import Links


@dataclass(frozen=True)
class Batch:
    """n checked events of known entities, with their lines in the file.

    An event of a user who belongs to several entities is repeated for each, with the same line.

    Attributes
    ----------
    entity : ndarray of shape (n,), int32
        Position in the table of entities.
    moment : ndarray of shape (n,), int64
        Microseconds of local time since 1970-01-01.
    amounts : ndarray of shape (n, n_amounts), int64
        See :func:`ml_sys.data.events.counting.scaled`.
    lines : ndarray of shape (n,), int64
    kinds, users, event_ids : pyarrow.StringArray of length n, or None
        Stripped; blank or null if unknown. None if the table has no such column.
    """

    entity: NDArray[np.int32]
    moment: NDArray[np.int64]
    amounts: NDArray[np.int64]
    lines: NDArray[np.int64]
    kinds: Any = None
    users: Any = None
    event_ids: Any = None


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
        ``at`` in int64 microseconds of local time, each amount as scaled int64, and as `pyarrow.StringArray`:
        ``id`` or ``user``, and any of ``user``, ``event`` and ``event_id``.
    lines : ndarray of shape (n,), int64
    amounts : sequence of str
        Names of the amounts, in the order of the measures.
    entities : Links or callable
        Maps users to their entities; or ids to positions, -1 if unknown.
    lost : frozenset of str
        Ids of entities whose every row is in quarantine.

    Returns
    -------
    Batch
        The events of known entities.
    list of BadRow
        The other rows.
    """
    if callable(entities):
        named, position = columns[ID], entities(columns[ID])
        at = np.flatnonzero(position >= 0)
        entity = position[at]
    else:
        named = columns[USER]
        at, entity = entities.of(named)
    unknown = np.setdiff1d(np.arange(len(lines)), at)
    values = (
        np.stack([columns[name] for name in amounts], axis=1)
        if amounts
        else np.zeros((len(lines), 0), np.int64)
    )
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
    kinds = columns[EVENT].take(at).to_pylist() if EVENT in columns else [""] * len(at)
    said = said_of_strangers(names, columns[AT][at], kinds, [columns[name][at].tolist() for name in amounts])
    return [
        BadRow(line, LOST_COMPANY if name in lost else UNKNOWN_ID, text)
        for line, name, text in zip(lines[at].tolist(), names, said, strict=True)
    ]


def said_of_strangers(
    names: Sequence[str],
    moments: NDArray[np.int64],
    kinds: Sequence[str | None],
    amounts: Sequence[Sequence[int]],
) -> list[str]:
    """Return what was read of events of unknown entities, whatever form their file has."""
    stamps = np.datetime_as_string(moments.astype("datetime64[us]"), unit="us").tolist()
    rows = zip(names, (one.replace("T", " ") for one in stamps), kinds, *amounts, strict=True)
    return [",".join(map(str, row))[:RAW_LIMIT] for row in rows]


def amount_columns(n_amounts: int) -> list[str]:
    """Return the names of columns of amounts."""
    return [f"amount_{at}" for at in range(n_amounts)]


def arrow_schema(n_amounts: int) -> pa.Schema:
    """Return the Arrow schema of events; an unknown user is null, and other unknown texts are blank."""
    return pa.schema(
        [("entity", pa.int32()), ("moment", pa.int64()), ("day", pa.int32())]
        + [(name, pa.int64()) for name in amount_columns(n_amounts)]
        + [("line", pa.int64()), ("source_row", pa.int64())]
        + [("kind", pa.string()), ("user", pa.string()), ("event_id", pa.string())]
    )


def as_arrow(batch: Batch, schema: pa.Schema, n_before: int = 0) -> pa.RecordBatch:
    """Return a batch with the columns of `arrow_schema`.

    Parameters
    ----------
    n_before : int
        Rows that were read before. Lines begin anew in each file of a folder, so ``source_row`` counts on.
    """
    blank = pa.nulls(len(batch.moment), pa.string()).fill_null("")
    days = (batch.moment // DAY_MICROSECONDS).astype(np.int32)
    kinds, users, event_ids = (
        blank if texts is None else texts.fill_null("")
        for texts in (batch.kinds, batch.users, batch.event_ids)
    )
    users = pc.if_else(pc.equal(users, pa.scalar("")), pa.scalar(None, pa.string()), users)
    repeated = batch.lines[1:] == batch.lines[:-1]
    source_rows = n_before + np.cumsum(np.append(np.zeros(1, np.int64), ~repeated))[: len(batch.lines)]
    numbers = [batch.entity, batch.moment, days, *batch.amounts.T, batch.lines, source_rows]
    return pa.RecordBatch.from_arrays([*map(pa.array, numbers), kinds, users, event_ids], schema=schema)
