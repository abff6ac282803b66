"""Go through data part by part: a snapshot in memory is one part, a snapshot on disk has several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ml_sys.data.parts.buckets import buckets_of, first_bucket, part_of
from ml_sys.data.snapshot import Everyone, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Data = Snapshot | Everyone


def pieces(data: Data) -> Iterator[tuple[Snapshot, NDArray[np.int32]]]:
    """Yield each part of the data, and the positions of its companies among all."""
    if isinstance(data, Snapshot):
        yield data, np.arange(len(data.closed), dtype=np.int32)
        return
    for number in range(len(data.parts)):
        yield data.parts.part(number), data.parts.positions(number)


def pairs(before: Data, now: Data) -> Iterator[tuple[Snapshot, Snapshot, NDArray[np.bool_]]]:
    """Yield matching parts of earlier and later data, and a mask of the earlier companies they share."""
    n_before, n_now = n_pieces(before), n_pieces(now)
    last, held = -1, None
    for number, (piece, _) in enumerate(pieces(before)):
        bucket = buckets_of(pa.array(piece.companies["id"], pa.string()))
        ends = first_bucket(number, n_before), first_bucket(number + 1, n_before) - 1
        first, final = part_of(np.array(ends, np.uint16), n_now).tolist()
        theirs = part_of(bucket, n_now)
        for at in range(first, final + 1):
            if at != last:
                held, last = now if isinstance(now, Snapshot) else now.parts.part(at), at
            assert held is not None  # noqa: S101 - read above
            yield piece, held, theirs == at


def n_pieces(data: Data) -> int:
    """Return the number of parts."""
    return 1 if isinstance(data, Snapshot) else len(data.parts)
