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

from ml_sys.data.checking.columns import all_ids
from ml_sys.data.quarantine import Quarantine
from ml_sys.features.inputs import log_of
from ml_sys.scoring.assembly import groups_of, order_of, ranked, unseen_levels
from ml_sys.scoring.batch import ScoredSoFar, UsageSummary, scored
from ml_sys.scoring.cooldown import days_of
from ml_sys.scoring.from_snapshot.free import are_free, free_companies, usage_in
from ml_sys.scoring.streaming.features import ComputedFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Everyone, Parts, Snapshot
    from ml_sys.features.compute import Columns
    from ml_sys.scoring.scored_list import ListOptions, ScoredList
    from ml_sys.scoring.scorer import Scorer

Mapped = Callable[[Callable[[int], Any], Sequence[int]], list[Any]]


@dataclass(frozen=True)
class PartScored:
    """The results for a part: n ranked companies, and the features of the first ones.

    Attributes
    ----------
    ids : pyarrow.StringArray of length n
    found : ScoredSoFar
        With positions among all companies of the snapshot.
    seen : UsageSummary
    top : ndarray of shape (k,), int
        Positions among the n of companies that may be among the first of all.
    columns : dict of str to ndarray of shape (k,)
        Their features.
    """

    ids: Any
    found: ScoredSoFar
    seen: UsageSummary
    top: NDArray[np.integer[Any]]
    columns: Columns


def score_free(scorer: Scorer, known: Everyone, asked: ListOptions, day: int, mapped: Mapped) -> ScoredList:
    """Score the companies of a snapshot that are free on the day of the list.

    Parameters
    ----------
    day : int
        Day on which they must be free.
    mapped : callable
        Maps a pure function over the numbers of parts, and returns the results in order.
    """
    score = partial(score_part, parts=known.parts, scorer=scorer, asked=asked, day=day)
    results: list[PartScored] = [one for one in mapped(score, range(len(known.parts))) if one is not None]
    together = _together([one.found for one in results])
    order = np.argsort(together.places[0], kind="stable")
    ids = all_ids([one.ids for one in results])
    if len(results) > 1:
        ids = ids.take(order)
        together.probability = [together.probability[0][order]]
    n = sum(len(one.ids) for one in results) + sum(len(one) for one in together.excluded)
    seen = UsageSummary(
        sum(one.seen.companies for one in results),
        max((one.seen.ends for one in results if one.seen.ends is not None), default=None),
    )
    told = seen.told(n, asked, scorer.spec.form.words)
    rejected = [(Quarantine(), "prospect")]
    return ranked(scorer, together, ids, partial(_features, results, order), asked, told, rejected)


def score_part(
    number: int, *, parts: Parts, scorer: Scorer, asked: ListOptions, day: int
) -> PartScored | None:
    """Score the free companies of one part; None if there are none."""
    part, spec = parts.part(number), scorer.spec
    prospects = free_companies(part, day)
    if not prospects.read:
        return None
    place, rows = _places(parts, number, part, day), prospects.rows
    usage = usage_in(part, rows.ids, spec, np.arange(len(rows)))
    log = log_of(usage, spec, len(rows))
    features = ComputedFeatures(spec, log, asked.cutoff, {})
    found = scored(scorer, rows, features, asked, is_part=True)
    kept = np.concatenate([np.empty(0, np.int32), *found.places])
    ids = rows.ids.take(kept)
    listed_on = None if asked.listed is None else days_of(ids, asked.listed)
    probability = np.concatenate([np.empty(0), *found.probability])
    order = order_of(probability, groups_of(ids, listed_on, asked))
    top = np.sort(order[: asked.reasons_top]) if asked.reasons else order[:0]
    columns = features.of(kept[top], rows.take(kept[top])) if top.size else {}
    found.first = {
        category: {level: int(place[first[level]]) for level in unseen_levels(scorer, category, counts)}
        for category, counts in found.levels.items()
        if (first := found.first.get(category))
    }
    found.levels = {
        category: Counter(unseen_levels(scorer, category, counts))
        for category, counts in found.levels.items()
    }
    found.places, found.probability = [place[kept]], [probability]
    found.gone = [place[one] for one in found.gone]
    return PartScored(ids, found, UsageSummary.of(log, asked.cutoff), top, columns)


def _places(parts: Parts, number: int, part: Snapshot, day: int) -> NDArray[np.int32]:
    """Return the positions of a part's free companies among all companies."""
    return parts.positions(number)[are_free(part, day)]


def _together(found: list[ScoredSoFar]) -> ScoredSoFar:
    """Join the results of several parts as if they were one, with texts in the order of first appearance."""
    every = ScoredSoFar(
        places=[np.concatenate([np.empty(0, np.int32), *(one for part in found for one in part.places)])],
        probability=[np.concatenate([np.empty(0), *(one for part in found for one in part.probability)])],
    )
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


def _features(results: list[PartScored], order: NDArray[np.intp], at: NDArray[np.integer[Any]]) -> Columns:
    """Return the features of companies by their positions in the order of the snapshot."""
    starts = np.cumsum([0, *(len(one.ids) for one in results)])
    known = np.concatenate([one.top + start for one, start in zip(results, starts, strict=False)])
    ranks = np.argsort(known, kind="stable")
    place = ranks[np.searchsorted(known[ranks], order[at])]
    names = next(one.columns for one in results if one.columns)
    return {
        name: np.concatenate([one.columns[name] for one in results if one.columns])[place] for name in names
    }
