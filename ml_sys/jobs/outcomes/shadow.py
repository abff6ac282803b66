"""Make a version's past lists again from the latest snapshot, and the same lists with other versions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.errors import MlsysError
from ml_sys.features.sampling import labels
from ml_sys.jobs.outcomes.observed import features_of, prospects_of
from ml_sys.jobs.outcomes.pieces import HERE, over_pieces
from ml_sys.jobs.outcomes.today import probabilities_of
from ml_sys.metrics.list_averages import paired_lists
from ml_sys.metrics.ranking import Outcomes
from ml_sys.outcomes.monitoring import Challenger
from ml_sys.registry.loading import load_scorer
from ml_sys.scoring.ranking import best_first

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.engine.mapping import Engine
    from ml_sys.jobs.outcomes.observed import Prospects
    from ml_sys.jobs.outcomes.pieces import Data
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import BootstrapSettings
    from ml_sys.timeline import Timeline


@dataclass(frozen=True)
class MadeAgain:
    """Matured lists of one version, one list after the other."""

    outcomes: Outcomes

    def of(self, cutoff: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the probabilities of one list, and who converted."""
        rows = self.outcomes.cutoff == cutoff
        return self.outcomes.score[rows], self.outcomes.label[rows]


def matured_cutoffs(timeline: Timeline, learnt_until: int, at_most: int) -> NDArray[np.int32]:
    """Return the latest cutoffs whose outcome is known now but was not when a version was trained."""
    cutoffs = timeline.grid(timeline.latest_mature(), timeline.days_apart, at_most)
    return cutoffs[cutoffs >= learnt_until]


def made_again(
    data: Data, scorer: Scorer, cutoffs: NDArray[np.int32], horizon_days: int, engine: Engine = HERE
) -> MadeAgain:
    """Score the free companies of past cutoffs from what was known on those days."""
    lists = partial(_lists_of_part, scorer=scorer, cutoffs=cutoffs, horizon_days=horizon_days)
    parts = [one for found in over_pieces(lists, data, engine) for one in found] if cutoffs.size else []
    if not parts:
        nobody = np.empty(0, dtype=np.int32)
        return MadeAgain(Outcomes(np.empty(0), np.empty(0, dtype=np.bool_), nobody, nobody))
    score, label, company, cutoff = (np.concatenate(one) for one in zip(*parts, strict=True))
    order = np.lexsort((company, cutoff))
    score, label, company, cutoff = score[order], label[order], company[order], cutoff[order]
    return MadeAgain(Outcomes(score, label, cutoff, company))


def _lists_of_part(
    piece: Snapshot,
    position: NDArray[np.int32],
    *,
    scorer: Scorer,
    cutoffs: NDArray[np.int32],
    horizon_days: int,
) -> list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32]]]:
    """Return the probabilities, outcomes, companies and cutoffs of a part on each list that has any of it."""
    found = []
    for cutoff in cutoffs.tolist():
        day = np.array([cutoff], dtype=np.int32)
        prospect, label = labels(piece.closed, day, horizon_days, piece.since)
        company = np.flatnonzero(prospect[:, 0]).astype(np.int32)
        if not company.size:
            continue
        columns = features_of(prospects_of(piece, cutoff), piece, cutoff, scorer.spec)
        probability = scorer.probabilities(scorer.rows(columns))
        found.append((probability, label[company, 0], position[company], np.full_like(company, cutoff)))
    return found


@dataclass(frozen=True)
class Shadow:
    """What production has scored, for other versions to score as well.

    Attributes
    ----------
    prospects : Prospects
        Today's, n of them.
    probability : ndarray of shape (n,), float64
        Production's.
    past : MadeAgain
        Production's matured lists.
    capacity : int
        Calls a week.
    engine : Engine
        Where parts of the data are worked on.
    """

    data: Data
    cutoff: int
    prospects: Prospects
    probability: NDArray[np.float64]
    past: MadeAgain
    horizon_days: int
    capacity: int
    engine: Engine = HERE

    def challenge(
        self, registry: Registry, version: str, learnt_until: int, bootstrap: BootstrapSettings, seed: int
    ) -> Challenger:
        """Score the same with another version, and compare both on lists that neither learnt from.

        Parameters
        ----------
        learnt_until : int
            Last day of its training data.
        """
        try:
            scorer = load_scorer(registry, version)
        except MlsysError as error:
            return Challenger(version, self.capacity, problem=error.message)
        theirs = probabilities_of(self.prospects, self.data, self.cutoff, scorer, self.engine)
        called = [set(best_first(one)[: self.capacity].tolist()) for one in (self.probability, theirs)]
        shared = len(called[0] & called[1])
        past = self.past.outcomes
        champion = past.take(past.cutoff >= learnt_until)
        cutoffs = np.unique(champion.cutoff).astype(np.int32)
        converters = int(np.unique(champion.company[champion.label]).size)
        if not converters:
            return Challenger(version, self.capacity, shared, cutoffs.size)
        other = made_again(self.data, scorer, cutoffs, self.horizon_days, self.engine).outcomes
        held = paired_lists(
            other, champion, resamples=bootstrap.resamples, confidence=bootstrap.confidence, seed=seed
        )
        found = held["average_precision"]
        return Challenger(
            version,
            self.capacity,
            shared,
            cutoffs.size,
            converters,
            found.challenger,
            found.champion,
            found.probability_better,
        )
