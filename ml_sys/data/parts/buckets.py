"""Which part a company belongs to: its id alone tells, on every machine and in every year.

Ids are dealt into `BUCKETS` buckets by a hash, and a part is some buckets that follow each other. What is
said of a bucket so does not depend on how many parts there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.checking.columns import buffers

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKETS = 1024
_BUCKET_BITS = 10
# Usage rows that stay in one part, and those of each where there are several: few enough that their memory is
# used again for the next part, which fresh memory of the system's costs a tenth of an ingest; enough that
# files stay few.
ROWS_OF_ONE_PART, ROWS_PER_PART = 1_000_000, 500_000
_WORD = 8
_MULTIPLIER, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF, _REST = np.uint64(32), np.uint64(64 - _BUCKET_BITS)


def buckets_of(ids: Any) -> NDArray[np.uint16]:
    """Return the bucket of each id, from 0 to `BUCKETS` - 1.

    Parameters
    ----------
    ids : pyarrow.StringArray
        Without blanks.
    """
    offsets, data = buffers(ids)
    starts = offsets[:-1].astype(np.int64) - int(offsets[0])
    left = np.diff(offsets).astype(np.int64)
    words = np.ndarray(len(data) + 1, "<u8", np.append(data, np.zeros(_WORD, np.uint8)), strides=(1,))
    mixed = left.astype(np.uint64) * _OTHER
    at = np.flatnonzero(left > 0)
    while at.size:
        read = np.minimum(left[at], _WORD)
        ours = np.full(len(at), ~np.uint64(0)) >> (np.uint64(_WORD) * (_WORD - read).astype(np.uint64))
        mixed[at] = _mixed(mixed[at] ^ (words[starts[at]] & ours))
        starts[at] += _WORD
        left[at] -= read
        at = at[left[at] > 0]
    return (_mixed(mixed) >> _REST).astype(np.uint16)


def parts_for(n_rows: int) -> int:
    """Return how many parts suit so many usage rows."""
    return 1 if n_rows <= ROWS_OF_ONE_PART else min(BUCKETS, -(-n_rows // ROWS_PER_PART))


@dataclass(frozen=True)
class Cut:
    """Companies cut into parts.

    Attributes
    ----------
    n_parts : int
        At most `BUCKETS`.
    part : ndarray of shape (n,), int16
        Of each company.
    local : ndarray of shape (n,), int32
        The position of each within its part, in the order of the whole.
    """

    n_parts: int
    part: NDArray[np.int16]
    local: NDArray[np.int32]

    @classmethod
    def of(cls, buckets: NDArray[np.uint16], n_parts: int) -> Cut:
        """Cut companies whose buckets are known."""
        part = part_of(buckets, n_parts)
        order = np.argsort(part, kind="stable")
        sizes = np.bincount(part, minlength=n_parts)
        local = np.empty(len(part), np.int32)
        local[order] = np.arange(len(part)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return cls(n_parts, part, local)

    def members(self, number: int) -> NDArray[np.int32]:
        """Return the positions in the whole of the companies of a part, ascending."""
        return np.flatnonzero(self.part == number).astype(np.int32)


def part_of(buckets: NDArray[np.uint16], n_parts: int) -> NDArray[np.int16]:
    """Return the part that each bucket is in, of so many."""
    return (buckets.astype(np.int64) * n_parts // BUCKETS).astype(np.int16)


def first_bucket(part: int, n_parts: int) -> int:
    """Return the first bucket of a part; that of the part behind the last is `BUCKETS`."""
    return -(-part * BUCKETS // n_parts)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread each bit over the others."""
    values = (values ^ (values >> _HALF)) * _MULTIPLIER
    values = (values ^ (values >> _HALF)) * _OTHER
    return values ^ (values >> _HALF)
