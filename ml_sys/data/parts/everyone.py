"""All companies of a snapshot without their usage, which is enough for most questions about conversions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import all_ids
from ml_sys.data.parts.parted import InParts
from ml_sys.data.parts.stored import USAGE, StoredCompanies
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.days import days_of_stamps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ml_sys.data.parts.parted import Parts


@dataclass(frozen=True)
class Everyone(InParts):
    """The n companies of a snapshot, sorted by id, in some thirty bytes each.

    Attributes
    ----------
    ids : pyarrow.StringArray of length n
    value : ndarray of shape (n,), float64
        Money a month, NaN for none.
    closed, since : ndarray of shape (n,), int32
        See :class:`~ml_sys.data.snapshot.Snapshot`.
    """

    ids: Any
    value: NDArray[np.float64]
    closed: NDArray[np.int32]
    since: NDArray[np.int32]

    @classmethod
    def of(cls, parts: Parts) -> Everyone:
        """Read the companies of all parts, one part at a time.

        Raises
        ------
        SnapshotError
            If a file of companies is missing or was changed.
        """
        n = parts.n_companies
        value, closed, since, place = (np.empty(n, dtype) for dtype in (np.float64, *[np.int32] * 3))
        chunks, read = [], 0
        for number in range(len(parts)):
            one = StoredCompanies.read(parts.manifest, number)
            at = one.positions
            value[at], closed[at], since[at] = one.table["value"].to_numpy(), one.closed, one.since
            place[at] = np.arange(read, read + len(at), dtype=np.int32)
            chunks += one.table["id"].cast(pa.string()).chunks
            read += len(at)
        ids = all_ids(chunks or [pa.array([], pa.string())])
        if len(parts) > 1:
            chunks.clear()
            ids = ids.take(pa.array(place))
        return cls(parts, ids, value, closed, since)

    def __len__(self) -> int:
        return len(self.closed)

    @property
    def customers(self) -> NDArray[np.bool_]:
        """Mask of the companies that have ever converted."""
        have: NDArray[np.bool_] = self.closed != NEVER_CLOSED
        return have

    @cached_property
    def usage_stamp(self) -> NDArray[np.int32]:
        """The first and the last stamp of all usage; empty if there is none.

        Raises
        ------
        SnapshotError
            If a file of usage is missing or was changed.
        """
        return stamps_of(self.parts)

    def named(self, which: NDArray[Any]) -> list[str]:
        """Return the ids of some companies, given a mask or positions."""
        at = np.flatnonzero(which) if which.dtype == np.bool_ else which
        names: list[str] = self.ids.take(pa.array(at)).to_pylist()
        return names

    def days_by_name(self, names: Iterable[str] | None = None) -> dict[str, int]:
        """Return the conversion day of all companies, or of the named ones, by id."""
        if names is None:
            return dict(zip(self.ids.to_pylist(), self.closed.tolist(), strict=True))
        asked = pa.array(sorted(set(names)), pa.string())
        at = np.flatnonzero(pc.is_in(self.ids, value_set=asked).to_numpy(zero_copy_only=False))
        return dict(zip(self.named(at), self.closed[at].tolist(), strict=True))


def stamps_of(parts: Parts) -> NDArray[np.int32]:
    """Return the first and the last stamp of all usage; empty if there is none."""
    ends: list[int] = []
    for number, n_rows in enumerate(parts.n_rows):
        if n_rows:
            stamps = parts.manifest.table(USAGE, number, ["stamp"])["stamp"].cast(pa.int64())
            ends += [pc.min(stamps).as_py(), pc.max(stamps).as_py()]
    if not ends:
        return np.empty(0, np.int32)
    return days_of_stamps(np.array([min(ends), max(ends)], np.int64))
