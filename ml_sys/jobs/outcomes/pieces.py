"""Go through data part by part: a snapshot in memory is one part, a snapshot on disk has several.

Parts are worked on in this process, or wherever an engine has them done; results are the same.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from ml_sys.data.parts.buckets import buckets_of, first_bucket, part_of
from ml_sys.data.snapshot import Everyone, Parts, Snapshot
from ml_sys.engine.mapping import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

R = TypeVar("R")

Data = Snapshot | Everyone
# Earlier parts that are held against later ones in one task, so that few of the later are read by two.
_TOGETHER = 8
HERE = Engine(workers=1)


def over_pieces(
    function: Callable[..., R], data: Data, engine: Engine = HERE, given: Sequence[Any] | None = None
) -> list[R]:
    """Return what a function makes of each part.

    Parameters
    ----------
    function : callable
        Pure. It takes the part, the positions of its companies among all, and what is given for the part.
    engine : Engine
        Where parts on disk are worked on.
    given : sequence, optional
        Something for each part.
    """
    if isinstance(data, Snapshot):
        return [function(data, np.arange(len(data.closed), dtype=np.int32), *(given or ()))]
    numbers = range(len(data.parts))
    tasks = [(at, () if given is None else (given[at],)) for at in numbers]
    sent = data.parts.shared(engine.storage)
    return engine.for_parts(len(tasks)).map(partial(_of_piece, function, sent), tasks)


def over_pairs(
    function: Callable[[Snapshot, Snapshot, NDArray[np.bool_]], R],
    before: Data,
    now: Data,
    engine: Engine = HERE,
) -> list[R]:
    """Return what a function makes of each of :func:`pairs`, in their order."""
    if isinstance(before, Snapshot) or isinstance(now, Snapshot):
        return [function(*one) for one in pairs(before, now)]
    runs = [
        range(first, min(first + _TOGETHER, len(before.parts)))
        for first in range(0, len(before.parts), _TOGETHER)
    ]
    theirs, ours = (one.parts.shared(engine.storage) for one in (before, now))
    done = engine.for_parts(len(before.parts)).map(partial(_of_pairs, function, theirs, ours), runs)
    return [one for several in done for one in several]


def pairs(
    before: Data | Parts, now: Data | Parts, run: range | None = None
) -> Iterator[tuple[Snapshot, Snapshot, NDArray[np.bool_]]]:
    """Yield matching parts of earlier and later data, and a mask of the earlier companies they share.

    Parameters
    ----------
    run : range, optional
        Numbers of the earlier parts; all by default.
    """
    n_before, n_now = n_pieces(before), n_pieces(now)
    last, held = -1, None
    for number in range(n_before) if run is None else run:
        piece = _piece(before, number)
        bucket = buckets_of(pa.array(piece.companies["id"], pa.string()))
        ends = first_bucket(number, n_before), first_bucket(number + 1, n_before) - 1
        first, final = part_of(np.array(ends, np.uint16), n_now).tolist()
        theirs = part_of(bucket, n_now)
        for at in range(first, final + 1):
            if at != last:
                held, last = _piece(now, at), at
            assert held is not None  # noqa: S101 - read above
            yield piece, held, theirs == at


def n_pieces(data: Data | Parts) -> int:
    """Return the number of parts."""
    return 1 if isinstance(data, Snapshot) else len(_parts_of(data))


def _piece(data: Data | Parts, number: int) -> Snapshot:
    return data if isinstance(data, Snapshot) else _parts_of(data).part(number)


def _parts_of(data: Everyone | Parts) -> Parts:
    return data if isinstance(data, Parts) else data.parts


def _of_piece(function: Callable[..., R], parts: Parts, task: tuple[int, tuple[Any, ...]]) -> R:
    number, given = task
    return function(parts.part(number), parts.positions(number), *given)


def _of_pairs(
    function: Callable[[Snapshot, Snapshot, NDArray[np.bool_]], R], before: Parts, now: Parts, run: range
) -> list[R]:
    return [function(*one) for one in pairs(before, now, run)]
