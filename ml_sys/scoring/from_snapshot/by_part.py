"""Score the free companies of a snapshot part by part; only ids and probabilities stay in memory.

Invariant: the list is the same, to the last bit, however many parts the snapshot has and wherever they are
scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.quarantine import Quarantine
from ml_sys.features.inputs import log_of
from ml_sys.scoring.assembly import groups_of, order_of, ranked, unseen_levels
from ml_sys.scoring.batch import ScoredSoFar, UsageSummary, scored, threads_for
from ml_sys.scoring.cooldown import days_of
from ml_sys.scoring.from_snapshot.free import are_free, free_companies, usage_of_free
from ml_sys.scoring.streaming.features import ComputedFeatures
from ml_sys.scoring.streaming.side_by_side import side_by_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Everyone, Parts
    from ml_sys.features.compute import Columns
    from ml_sys.scoring.scored_list import ListOptions, ScoredList
    from ml_sys.scoring.scorer import Scorer

Each = Callable[[Callable[[int], Any], Sequence[int], Callable[[int, Any], object]], None]


@dataclass(frozen=True)
class PartScored:
    """The results for a part, with positions among all companies of the snapshot.

    Attributes
    ----------
    found : ScoredSoFar
    seen : UsageSummary
    top : ndarray of shape (k,), int32
        Positions of companies that may be among the first of all.
    columns : dict of str to ndarray of shape (k,)
        Their features.
    """

    found: ScoredSoFar
    seen: UsageSummary
    top: NDArray[np.int32]
    columns: Columns


def score_free(
    scorer: Scorer, known: Everyone, asked: ListOptions, day: int, each: Each | None = None
) -> ScoredList:
    """Score the companies of a snapshot that are free on the day of the list.

    Parameters
    ----------
    day : int
        Day on which they must be free.
    each : callable, optional
        Calls a pure function with the numbers of parts, and another with each number and its result, as
        :meth:`ml_sys.engine.mapping.Engine.each` does; by default in threads, several parts at once.
    """
    numbers = range(len(known.parts))
    score = partial(score_part, parts=known.parts, scorer=scorer, asked=asked, day=day)
    probability, is_ranked = np.empty(len(known)), np.zeros(len(known), np.bool_)
    results: dict[int, PartScored] = {}

    def keep(number: int, one: PartScored | None) -> None:
        if one is not None:
            for place, found in zip(one.found.places, one.found.probability, strict=True):
                probability[place], is_ranked[place] = found, True
            one.found.places, one.found.probability = [], []
            results[number] = one

    if each is None:
        in_order = side_by_side(partial(score, threads=1), zip(numbers), threads_for(scorer))
        for number, one in enumerate(in_order):
            keep(number, one)
    else:
        each(score, numbers, keep)
    parts = [results[number] for number in sorted(results)]
    together = _together([one.found for one in parts])
    n_ranked = int(np.count_nonzero(is_ranked))
    probability[:n_ranked] = probability[is_ranked]  # in place, as they are many
    together.probability = [probability[:n_ranked]]
    n = n_ranked + sum(len(one) for one in together.excluded)
    seen = UsageSummary(
        sum(one.seen.companies for one in parts),
        max((one.seen.ends for one in parts if one.seen.ends is not None), default=None),
    )
    told = seen.told(n, asked, scorer.spec.form.words)
    rejected = [(Quarantine(), "prospect")]
    ids = known.ids.filter(pa.array(is_ranked))
    return ranked(scorer, together, ids, partial(_features, parts, is_ranked), asked, told, rejected)


def score_part(
    number: int, *, parts: Parts, scorer: Scorer, asked: ListOptions, day: int, threads: int = 0
) -> PartScored | None:
    """Score the free companies of one part, in so many threads; None if there are none."""
    part, position = parts.placed(number)
    place, prospects, spec = position[are_free(part, day)], free_companies(part, day), scorer.spec
    if not prospects.read:
        return None
    rows, log = prospects.rows, log_of(usage_of_free(part, day, spec), spec, prospects.read)
    del part
    features = ComputedFeatures(spec, log, asked.cutoff, {})
    found = scored(scorer, rows, features, asked, is_part=True, threads=threads)
    top, columns = place[:0], dict[str, Any]()
    if asked.reasons and found.places:
        kept = np.concatenate(found.places)
        ids = rows.ids.take(kept)
        listed_on = None if asked.listed is None else days_of(ids, asked.listed)
        order = order_of(np.concatenate(found.probability), groups_of(ids, listed_on, asked))
        leading = kept[np.sort(order[: asked.reasons_top])]
        top, columns = place[leading], features.of(leading, rows.take(leading))
    found.first = {
        category: {level: int(place[first[level]]) for level in unseen_levels(scorer, category, counts)}
        for category, counts in found.levels.items()
        if (first := found.first.get(category))
    }
    found.levels = {
        category: Counter(unseen_levels(scorer, category, counts))
        for category, counts in found.levels.items()
    }
    found.places = [place[one] for one in found.places]
    found.gone = [place[one] for one in found.gone]
    return PartScored(found, UsageSummary.of(log, asked.cutoff), top, columns)


def _together(found: list[ScoredSoFar]) -> ScoredSoFar:
    """Join what several parts say besides probabilities, with texts in the order of first appearance."""
    every = ScoredSoFar()
    for category in {name: None for part in found for name in part.levels}:
        counts: Counter[str] = Counter()
        first: dict[str, int] = {}
        for part in found:
            counts.update(part.levels[category])
            for level, place in part.first.get(category, {}).items():
                first[level] = min(place, first.get(level, place))
        every.levels[category] = Counter(
            {level: counts[level] for level in sorted(counts, key=first.__getitem__)}
        )
    gone = [one for part in found for one in part.gone]
    if gone:
        import pandas as pd

        excluded = pd.concat([one for part in found for one in part.excluded], ignore_index=True)
        order = np.argsort(np.concatenate(gone), kind="stable")
        every.excluded = [excluded.iloc[order].reset_index(drop=True)]
    return every


def _features(parts: list[PartScored], is_ranked: NDArray[np.bool_], at: NDArray[np.integer[Any]]) -> Columns:
    """Return the features of companies by their positions among those that are ranked."""
    known = np.concatenate([one.top for one in parts])
    ranks = np.argsort(known)
    place = ranks[np.searchsorted(known[ranks], np.flatnonzero(is_ranked)[at])]
    names = next(one.columns for one in parts if one.columns)
    return {
        name: np.concatenate([one.columns[name] for one in parts if one.columns])[place] for name in names
    }
