"""Count the few events of a request by the same rules as those of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.events.counting import SUM_LIMIT, Counting, EventRows, scaled, stamps_of
from ml_sys.days import DAY_MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Events:
    """n checked events.

    Attributes
    ----------
    entity : ndarray of shape (n,), int32
        Position of the entity; zeros if there is only one.
    moment : ndarray of shape (n,), int64
        Microseconds of local time since 1970-01-01.
    kinds, users, event_ids : sequence of str, of length n, or None
        Stripped; blank if unknown. None if the table has no such column.
    amounts : ndarray of shape (n, n_amounts), float64
        Neither negative nor infinite; NaN for a blank.
    """

    entity: NDArray[np.int32]
    moment: NDArray[np.int64]
    kinds: Sequence[str] | None
    amounts: NDArray[np.float64]
    users: Sequence[str] | None = None
    event_ids: Sequence[str] | None = None


def count_few(events: Events, counting: Counting) -> EventRows:
    """Return a row per entity and period, like `EventLog.rows`.

    If events of an entity share an identifier, only the earliest counts; at the same moment, the one with the
    smallest content.
    """
    columns = [
        scaled(column, digits)[0] for column, digits in zip(events.amounts.T, counting.digits, strict=True)
    ]
    amounts = np.stack(columns, axis=1) if columns else np.zeros((len(events.moment), 0), np.int64)
    kept = _one_of_each_id(events, amounts)
    starts = stamps_of((events.moment[kept] // DAY_MICROSECONDS).astype(np.int32), counting.period)
    keys = np.stack([events.entity[kept], starts], axis=1).astype(np.int64).reshape(-1, 2)
    distinct, row = np.unique(keys, axis=0, return_inverse=True)
    row = row.reshape(-1)
    values = np.zeros((len(distinct), counting.n_measures), np.int64)
    np.add.at(values, (row, _places(events, kept, counting)), 1)
    for at in range(len(columns)):
        values[:, counting.n_counts + at] = _sums(row, amounts[kept, at], len(distinct))
    if counting.has_users and events.users is not None:
        pairs = {
            (r, events.users[i]) for r, i in zip(row.tolist(), kept.tolist(), strict=True) if events.users[i]
        }
        np.add.at(values[:, -1], [r for r, _ in pairs], 1)
    return EventRows(distinct[:, 0].astype(np.int32), distinct[:, 1] * DAY_MICROSECONDS, values)


def _one_of_each_id(events: Events, amounts: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the positions of events that do not repeat an identifier of their entity."""
    n = len(events.moment)
    if events.event_ids is None:
        return np.arange(n)
    ids, kinds, users = events.event_ids, events.kinds or [""] * n, events.users or [""] * n
    entities, moments, numbers = events.entity.tolist(), events.moment.tolist(), amounts.tolist()
    order = sorted(range(n), key=lambda i: (moments[i], kinds[i], numbers[i], users[i], i))
    first: dict[tuple[int, str], int] = {}
    for i in order:
        first.setdefault((entities[i], ids[i]), i)
    return np.array([i for i in range(n) if not ids[i] or first[entities[i], ids[i]] == i], np.intp)


def _places(events: Events, kept: NDArray[np.intp], counting: Counting) -> NDArray[np.intp]:
    """Return the position of the measure that counts each event."""
    if counting.kinds is None or events.kinds is None:
        return np.zeros(len(kept), np.intp)
    place = {kind: at for at, kind in enumerate(counting.kinds)}
    return np.array([place.get(events.kinds[i], len(place)) for i in kept.tolist()], np.intp)


def _sums(row: NDArray[np.intp], amounts: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    sums = [0] * n_rows  # of Python's integers, which do not overflow
    for at, amount in zip(row.tolist(), amounts.tolist(), strict=True):
        sums[at] += amount
    return np.array([min(one, SUM_LIMIT) for one in sums], np.int64)
