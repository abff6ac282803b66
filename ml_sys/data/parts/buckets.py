"""Assign companies to parts by their id alone, so that it is the same on every machine and in every year.

A hash puts ids into `BUCKETS` buckets, and a part is a run of buckets. So nothing that is known of a bucket
depends on how many parts there are.
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
# Usage rows up to which there is only one part, and rows of each part otherwise. Few enough that memory is
# reused for the next part (fresh memory costs a tenth of an ingest), and enough that there are few files.
ROWS_OF_ONE_PART, ROWS_PER_PART = 1_000_000, 500_000
# Ids are hashed this many at a time, for which all that is needed fits into the processor's cache.
_HASHED = 1 << 14
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
    return (hashes_of(ids) >> _REST).astype(np.uint16)


def hashes_of(ids: Any) -> NDArray[np.uint64]:
    """Return a hash of each id, of which the highest bits are its bucket."""
    found = np.empty(len(ids), np.uint64)
    for start in range(0, len(ids), _HASHED):
        found[start : start + _HASHED] = _hashes(ids.slice(start, _HASHED))
    return found


def parts_for(n_rows: int) -> int:
    """Return the number of parts for this many usage rows."""
    return 1 if n_rows <= ROWS_OF_ONE_PART else min(BUCKETS, -(-n_rows // ROWS_PER_PART))


@dataclass(frozen=True)
class Cut:
    """Companies cut into parts.

    Attributes
    ----------
    n_parts : int
        At most `BUCKETS`.
    part : ndarray of shape (n,), int16
        The part of each company.
    local : ndarray of shape (n,), int32
        The position of each company within its part, in overall order.
    """

    n_parts: int
    part: NDArray[np.int16]
    local: NDArray[np.int32]

    @classmethod
    def of(cls, buckets: NDArray[np.uint16], n_parts: int) -> Cut:
        """Cut companies by their buckets."""
        part = part_of(buckets, n_parts)
        order = np.argsort(part, kind="stable")
        sizes = np.bincount(part, minlength=n_parts)
        local = np.empty(len(part), np.int32)
        local[order] = np.arange(len(part)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return cls(n_parts, part, local)

    def members(self, number: int) -> NDArray[np.int32]:
        """Return the overall positions of the companies in a part, ascending."""
        return np.flatnonzero(self.part == number).astype(np.int32)


def part_of(buckets: NDArray[np.uint16], n_parts: int) -> NDArray[np.int16]:
    """Return the part of each bucket, given the number of parts."""
    return (buckets.astype(np.int64) * n_parts // BUCKETS).astype(np.int16)


def first_bucket(part: int, n_parts: int) -> int:
    """Return the first bucket of a part; `BUCKETS` for the part after the last one."""
    return -(-part * BUCKETS // n_parts)


def _hashes(ids: Any) -> NDArray[np.uint64]:
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
    return _mixed(mixed)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread each bit over the others."""
    values = (values ^ (values >> _HALF)) * _MULTIPLIER
    values = (values ^ (values >> _HALF)) * _OTHER
    return values ^ (values >> _HALF)
