"""Score today's prospects with a version, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.parts.buckets import buckets_of, part_of
from ml_sys.jobs.outcomes.observed import Prospects, Scored, features_of, prospects_of, sampled
from ml_sys.jobs.outcomes.pieces import HERE, n_pieces, over_pieces
from ml_sys.outcomes.populations import Moves
from ml_sys.scoring.from_snapshot.free import are_free

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.engine.mapping import Engine
    from ml_sys.features.compute import Columns
    from ml_sys.jobs.outcomes.pieces import Data
    from ml_sys.outcomes.monitoring import Moved
    from ml_sys.scoring.scorer import Scorer


@dataclass(frozen=True)
class Today:
    """Today's prospects as a version scores them.

    Attributes
    ----------
    probability : ndarray of shape (n,), float64
    some : Scored
        The sampled prospects.
    moves : tuple of Moved
        How far each feature has moved from the reference.
    """

    probability: NDArray[np.float64]
    some: Scored
    moves: tuple[Moved, ...]


def today_of(
    prospects: Prospects,
    data: Data,
    cutoff: int,
    scorer: Scorer,
    share: float,
    reference: Mapping[str, NDArray[Any]],
    engine: Engine = HERE,
) -> Today:
    """Score prospects, and keep the features of a sample.

    Parameters
    ----------
    share : float
        Share of the companies in the sample.
    reference : mapping of str to ndarray
        Features of the rows that the version was judged on.
    engine : Engine
        Where parts of the data are worked on.
    """
    spec, moves, texts = scorer.spec, Moves(reference), scorer.spec.categories()
    score = partial(_scored, cutoff=cutoff, scorer=scorer, moves=moves, share=share)
    found = _over_parts(score, prospects, data, engine)
    for one in found:
        moves.add(one.counts)
    order = np.argsort(_joined([one.place for one in found], np.int32), kind="stable")
    some = np.argsort(_joined([one.place[one.chosen] for one in found], np.int32), kind="stable")
    ids = _joined([one.ids for one in found], np.object_)[some]
    chosen = Scored(
        ids,
        np.full(ids.size, cutoff, dtype=np.int32),
        {
            name: _joined([one.columns[name] for one in found], np.object_ if name in texts else np.float32)[
                some
            ]
            for name in spec.names()
        },
        _joined([one.probability[one.chosen] for one in found], np.float64)[some],
    )
    return Today(_joined([one.probability for one in found], np.float64)[order], chosen, moves.found())


def probabilities_of(
    prospects: Prospects, data: Data, cutoff: int, scorer: Scorer, engine: Engine = HERE
) -> NDArray[np.float64]:
    """Return a version's probabilities of prospects, in their order."""
    found = _over_parts(partial(_scored, cutoff=cutoff, scorer=scorer), prospects, data, engine)
    order = np.argsort(_joined([one.place for one in found], np.int32), kind="stable")
    return _joined([one.probability for one in found], np.float64)[order]


@dataclass(frozen=True)
class _PartScored:
    """The n prospects of a part.

    Attributes
    ----------
    place : ndarray of shape (n,), int
        Among all companies or, for prospects from a file, in its table.
    probability : ndarray of shape (n,), float64
    chosen : ndarray of shape (k,), int
        Positions of the sampled ones.
    ids : ndarray of shape (k,), object
        Theirs.
    columns : dict of str to ndarray of shape (k,)
        Their features.
    counts : dict of str to Counter
        Of all features; see :meth:`ml_sys.outcomes.populations.Moves.counted`.
    """

    place: NDArray[np.integer[Any]]
    probability: NDArray[np.float64]
    chosen: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    ids: NDArray[np.object_] = field(default_factory=lambda: np.empty(0, np.object_))
    columns: Columns = field(default_factory=dict)
    counts: dict[str, Counter[Any]] = field(default_factory=dict)


def _scored(
    piece: Snapshot,
    position: NDArray[np.int32],
    listed: tuple[NDArray[np.intp], pd.DataFrame] | None = None,
    *,
    cutoff: int,
    scorer: Scorer,
    moves: Moves | None = None,
    share: float = 0.0,
) -> _PartScored | None:
    """Score the prospects of a part, None without any; without a reference, keep probabilities alone.

    Parameters
    ----------
    listed : tuple of (ndarray, pandas.DataFrame), optional
        Places and rows of a file's prospects; by default the companies that are free are scored.
    """
    place: NDArray[np.integer[Any]]
    if listed is None:
        place, mine = position[are_free(piece, cutoff)], prospects_of(piece, cutoff)
    else:
        place, mine = listed[0], Prospects(listed[1])
    if not place.size or mine.frame is None:
        return None
    columns = features_of(mine, piece, cutoff, scorer.spec)
    probability = scorer.probabilities(scorer.rows(columns))
    if moves is None:
        return _PartScored(place, probability)
    ids = mine.frame["id"].to_numpy(dtype=object)
    one = np.flatnonzero(sampled(ids, share))
    kept = {name: values[one] for name, values in columns.items()}
    return _PartScored(place, probability, one, ids[one], kept, moves.counted(columns))


def _over_parts(
    score: Callable[..., _PartScored | None], prospects: Prospects, data: Data, engine: Engine
) -> list[_PartScored]:
    """Return what is known of the prospects of each part that has any."""
    given, frame = None, prospects.frame
    if frame is not None:
        part = part_of(buckets_of(pa.array(frame["id"], pa.string())), n_pieces(data))
        places = [np.flatnonzero(part == number) for number in range(n_pieces(data))]
        given = [(place, frame.iloc[place]) for place in places]
    return [one for one in over_pieces(score, data, engine, given) if one is not None]


def _joined(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
