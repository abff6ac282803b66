"""Score today's prospects with a version, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.parts.buckets import buckets_of, part_of
from ml_sys.jobs.outcomes.observed import Prospects, Scored, features_of, prospects_of, sampled
from ml_sys.jobs.outcomes.pieces import n_pieces, pieces
from ml_sys.outcomes.populations import Moves
from ml_sys.scoring.from_snapshot.free import are_free

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.features.rows import Rows
    from ml_sys.jobs.outcomes.pieces import Data
    from ml_sys.outcomes.monitoring import Moved
    from ml_sys.scoring.scorer import Scorer


def features_by_part(
    prospects: Prospects, data: Data, cutoff: int, spec: FeatureSpec
) -> Iterator[tuple[NDArray[np.integer[Any]], NDArray[np.object_], Columns]]:
    """Yield positions, ids and features of prospects, part by part.

    Positions are among all companies or, for prospects from a file, in its table.
    """
    frame = prospects.frame
    part = None if frame is None else part_of(buckets_of(pa.array(frame["id"], pa.string())), n_pieces(data))
    for number, (piece, position) in enumerate(pieces(data)):
        place: NDArray[np.integer[Any]]
        if frame is None or part is None:
            mine, place = prospects_of(piece, cutoff), position[are_free(piece, cutoff)]
        else:
            place = np.flatnonzero(part == number)
            mine = Prospects(frame.iloc[place])
        if place.size and mine.frame is not None:
            ids = mine.frame["id"].to_numpy(dtype=object)
            yield place, ids, features_of(mine, piece, cutoff, spec)


@dataclass(frozen=True)
class ColumnByColumn(Mapping[str, "NDArray[Any]"]):
    """Features of rows by name, each read when it is asked for, so that one at a time is in memory."""

    rows: Rows
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.names:
            raise KeyError(name)
        return self.rows.column(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


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
) -> Today:
    """Score prospects, and keep the features of a sample."""
    spec, moves, texts = scorer.spec, Moves(reference), scorer.spec.categories()
    places, scores, kept = [], [], []
    for place, ids, columns in features_by_part(prospects, data, cutoff, spec):
        probability = scorer.probabilities(scorer.rows(columns))
        moves.add(columns)
        places.append(place)
        scores.append(probability)
        one = np.flatnonzero(sampled(ids, share))
        kept.append((place[one], ids[one], probability[one], {name: columns[name][one] for name in columns}))
    order = np.argsort(_joined(places, np.int32), kind="stable")
    some = np.argsort(_joined([one[0] for one in kept], np.int32), kind="stable")
    ids = _joined([one[1] for one in kept], np.object_)[some]
    chosen = Scored(
        ids,
        np.full(ids.size, cutoff, dtype=np.int32),
        {
            name: _joined([one[3][name] for one in kept], np.object_ if name in texts else np.float32)[some]
            for name in spec.names()
        },
        _joined([one[2] for one in kept], np.float64)[some],
    )
    return Today(_joined(scores, np.float64)[order], chosen, moves.found())


def _joined(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def probabilities_of(prospects: Prospects, data: Data, cutoff: int, scorer: Scorer) -> NDArray[np.float64]:
    """Return a version's probabilities of prospects, in their order."""
    places, scores = [], []
    for place, _, columns in features_by_part(prospects, data, cutoff, scorer.spec):
        places.append(place)
        scores.append(scorer.probabilities(scorer.rows(columns)))
    return _joined(scores, np.float64)[np.argsort(_joined(places, np.int32), kind="stable")]
