"""Map users to the entities that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.fields import ID, USER
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading.rows import RAW_LIMIT, BadRow
from ml_sys.data.usage import UNKNOWN_ID

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.checking.validate import Checked
    from ml_sys.data.company_index import GrowingIndex


class Links:
    """The entities of each user; a user may belong to several.

    Parameters
    ----------
    users : pyarrow.StringArray of length n
        Column of a table of links, in any order; rows may be repeated.
    entities : ndarray of shape (n,), int32
        Position of the entity of each row.
    """

    def __init__(self, users: Any, entities: NDArray[np.int32]) -> None:
        self._users = pc.unique(users)
        self._index = CompanyIndex(self._users, frozenset())
        user = self._index.positions(users)
        pairs = np.unique(np.stack([user, entities], axis=1).astype(np.int64).reshape(-1, 2), axis=0)
        self._entities = pairs[:, 1].astype(np.int32)
        self._starts = np.searchsorted(pairs[:, 0], np.arange(len(self._users) + 1))

    def pairs(self) -> tuple[Any, NDArray[np.int32]]:
        """Return pairs of user, as a `pyarrow.StringArray`, and position of the entity."""
        return self._users.take(np.repeat(np.arange(len(self._users)), np.diff(self._starts))), self._entities

    def of(self, users: Any) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Return the entities of some users.

        Parameters
        ----------
        users : pyarrow.StringArray of length n

        Returns
        -------
        ndarray of shape (m,), intp
            Positions in ``users``, ascending: one for each entity of the user, and none for unknown users.
        ndarray of shape (m,), int32
            Position of the entity.

        Examples
        --------
        >>> import pyarrow as pa
        >>> links = Links(pa.array(["ann", "bob", "ann"]), np.array([7, 7, 2], np.int32))
        >>> links.of(pa.array(["bob", "eve", "ann"]))
        (array([0, 2, 2]), array([7, 2, 7], dtype=int32))
        """
        found = self._index.positions(users)
        known = np.flatnonzero(found >= 0)
        first, end = self._starts[found[known]], self._starts[found[known] + 1]
        times = end - first
        at = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first, times)
        return np.repeat(known, times), self._entities[at]


def links_of(
    checked: Checked, index: CompanyIndex | GrowingIndex
) -> tuple[tuple[Any, NDArray[np.int32]], list[BadRow]]:
    """Look up the entity of each row of a batch of links.

    Returns
    -------
    tuple of (pyarrow.StringArray, ndarray of int32)
        Users and the positions of their entities.
    list of BadRow
        Rows of unknown entities.
    """
    users, named = checked.columns[USER], checked.columns[ID]
    entity = index.positions(named)
    strangers = np.flatnonzero(entity < 0)
    bad = [
        BadRow(line, LOST_COMPANY if name in index.lost else UNKNOWN_ID, f"{user},{name}"[:RAW_LIMIT])
        for line, user, name in zip(
            checked.lines[strangers].tolist(),
            users.take(strangers).to_pylist(),
            named.take(strangers).to_pylist(),
            strict=True,
        )
    ]
    known = np.flatnonzero(entity >= 0)
    return (users.take(known), entity[known]), bad
