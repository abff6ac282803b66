"""Score prospects as of a cutoff, batch by batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.features.inputs import log_of
from ml_sys.scoring.assembly import ranked, unseen_levels
from ml_sys.scoring.excluded import groups_of_those_out
from ml_sys.scoring.scorer import CompiledScorer
from ml_sys.scoring.streaming.features import ComputedFeatures, ReadyFeatures
from ml_sys.scoring.streaming.side_by_side import THREADS, side_by_side
from ml_sys.text import counted, date_of, with_article

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ml_sys.data.quarantine import Quarantine
    from ml_sys.features.compute import Columns
    from ml_sys.features.windows import UsageLog
    from ml_sys.form import Words
    from ml_sys.scoring.prospects import ProspectTable, ProspectUsage, Ready
    from ml_sys.scoring.scored_list import ListOptions, ScoredList
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.scoring.streaming.features import Features
    from ml_sys.scoring.streaming.held import HeldRows


@dataclass
class ScoredSoFar:
    """The results for the prospects scored so far, n of which are ranked.

    Attributes
    ----------
    places, gone : list of ndarray, int32
        Positions of ranked and of excluded prospects.
    levels : dict of str to Counter
        How often each text occurs among the ranked prospects, by category.
    first : dict of str to dict of str to int
        The first position of each text that did not occur in the training rows.
    """

    places: list[NDArray[np.int32]] = field(default_factory=list)
    probability: list[NDArray[np.float64]] = field(default_factory=list)
    excluded: list[pd.DataFrame] = field(default_factory=list)
    gone: list[NDArray[np.int32]] = field(default_factory=list)
    levels: dict[str, Counter[str]] = field(default_factory=dict)
    first: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class UsageSummary:
    """Usage of prospects by a cutoff: how many have any, and the day on which it ends."""

    companies: int
    ends: int | None

    @classmethod
    def of(cls, log: UsageLog, cutoff: int) -> UsageSummary:
        """Summarise the usage of prospects."""
        complete = log.day <= cutoff
        ends = int(log.day[complete].max()) if complete.any() else None
        return cls(int(np.count_nonzero(np.diff(log.company[complete], prepend=-1))), ends)

    def told(self, n: int, asked: ListOptions, words: Words) -> tuple[list[str], list[str]]:
        """Return a note on n prospects, and a warning if usage ends early."""
        cutoff, ends = asked.cutoff, self.ends
        notes = [f"{self.companies:,} of {n:,} prospects have usage complete by {date_of(cutoff)}"]
        if ends is None:
            rests = "the ranking uses attributes only"
            return notes, [f"no usage is complete by {date_of(cutoff)}: {rests}"]
        if cutoff - ends <= asked.stale_days:
            return notes, []
        return notes, [
            f"usage ends on {date_of(ends)}, {cutoff - ends} days before {date_of(cutoff)}: "
            f"every {words.entity.one} looks idle since; ingest newer usage or move --as-of"
        ]


def score_ready(scorer: Scorer, prospects: Ready, asked: ListOptions) -> ScoredList:
    """Score prospects whose features are given; usage is not needed."""
    features = ReadyFeatures(scorer.spec)
    found = scored(scorer, prospects.rows, features, asked)
    return _of_file(scorer, prospects, features, asked, found, ([], []), None)


def score_companies(
    scorer: Scorer,
    prospects: ProspectTable,
    usage: ProspectUsage,
    asked: ListOptions,
    *,
    customers: dict[str, int],
) -> ScoredList:
    """Score prospects from attributes and usage complete by the cutoff.

    Parameters
    ----------
    prospects : ProspectTable
        The n companies.
    usage : ProspectUsage
        Their usage, by position.
    customers : dict of str to int
        Closing day of known customers; those who closed before the cutoff are left out.
    """
    spec, n, cutoff, words = scorer.spec, len(prospects.rows), asked.cutoff, scorer.spec.form.words
    entity, customer = words.entity, words.customer
    log = log_of((usage.company, usage.stamp, usage.values), spec, n)  # noqa: PD011 - no column of pandas
    notes, warnings = UsageSummary.of(log, cutoff).told(n, asked, words)
    if usage.strangers:
        belong = counted(usage.strangers, "usage row belongs", "usage rows belong")
        notes.insert(0, f"{belong} to {entity.many} that are not in the list")
    features = ComputedFeatures(spec, log, cutoff, customers)
    found = scored(scorer, prospects.rows, features, asked)
    no_day = "did not exist for a day by"
    were_customers = (f"was {with_article(customer.one)} before", f"were {customer.many} before")
    for out, one, several in (
        (features.were_customers, *were_customers),
        (features.are_new, no_day, no_day),
    ):
        if out:
            notes.append(f"{entity.counted(out, one, several)} {date_of(cutoff)} and left out")
    return _of_file(scorer, prospects, features, asked, found, (notes, warnings), usage.quarantine)


def scored(
    scorer: Scorer,
    rows: HeldRows,
    features: Features,
    asked: ListOptions,
    *,
    is_part: bool = False,
    threads: int = 0,
) -> ScoredSoFar:
    """Compute features and probabilities in batches, several at once, and keep the probabilities.

    Parameters
    ----------
    is_part : bool
        Whether other prospects are ranked together with these, so that the first positions of texts are kept.
    threads : int
        Batches at once; 0 takes :func:`threads_for` the scorer.
    """
    found = ScoredSoFar(levels={category: Counter() for category in scorer.spec.categories()})

    def of(start: int, batch: pa.RecordBatch, keep: NDArray[np.bool_]) -> ScoredSoFar:
        return _of_batch(scorer, features, asked, start, batch, keep, is_part)

    jobs = ((start, batch, features.ranked(batch)) for start, batch in rows.batches())
    for one in side_by_side(of, jobs, threads or threads_for(scorer)):
        found.places += one.places
        found.probability += one.probability
        found.excluded += one.excluded
        found.gone += one.gone
        for category, levels in one.levels.items():
            found.levels[category].update(levels)
        for category, places in one.first.items():
            found.first[category] = places | found.first.get(category, {})
    return found


def threads_for(scorer: Scorer) -> int:
    """Return how many batches or parts a scorer best scores at once."""
    return THREADS if isinstance(scorer, CompiledScorer) else 1


def _of_batch(
    scorer: Scorer,
    features: Features,
    asked: ListOptions,
    start: int,
    batch: pa.RecordBatch,
    keep: NDArray[np.bool_],
    is_part: bool,
) -> ScoredSoFar:
    """Score the ranked rows of a batch, given the position of its first row."""
    probability = np.empty(batch.num_rows)
    levels = {name: np.empty(batch.num_rows, dtype=object) for name in scorer.spec.categories()}
    for places, columns in features(start, batch):
        probability[places] = _probabilities(scorer, columns)
        for category, texts in levels.items():
            texts[places] = columns[category]
    found = ScoredSoFar()
    group = groups_of_those_out(batch.column("id"), asked.excluded, asked.paid_since)
    out = keep & (group != "")
    if out.any():
        ids, gone = batch.column("id").to_numpy(zero_copy_only=False)[out], probability[out]
        tier = scorer.tiers.of(gone)
        found.excluded.append(
            pd.DataFrame({"id": ids, "probability": gone, "tier": tier, "group": group[out]})
        )
        found.gone.append((np.flatnonzero(out) + start).astype(np.int32))
    kept = np.flatnonzero(keep & ~out)
    if kept.size:
        found.places.append((kept + start).astype(np.int32))
        found.probability.append(probability[kept])
        found.levels = {category: _levels(texts[kept]) for category, texts in levels.items()}
        found.first = {
            category: dict(zip(levels[category][kept][::-1], (kept[::-1] + start).tolist(), strict=True))
            for category, counts in found.levels.items()
            if is_part and unseen_levels(scorer, category, counts)
        }
    return found


def _probabilities(scorer: Scorer, columns: Columns) -> NDArray[np.float64]:
    if isinstance(scorer, CompiledScorer):
        return scorer.of_columns(columns)
    return scorer.probabilities(scorer.rows(columns))


def _of_file(
    scorer: Scorer,
    prospects: ProspectTable | Ready,
    features: Features,
    asked: ListOptions,
    found: ScoredSoFar,
    told: tuple[list[str], list[str]],
    usage: Quarantine | None,
) -> ScoredList:
    """Rank the prospects of a file."""
    places, rows = np.concatenate([np.empty(0, np.int32), *found.places]), prospects.rows
    ids = rows.ids.take(places) if places.size < len(rows) else rows.ids

    def top(at: NDArray[np.integer[Any]]) -> Columns:
        return features.of(places[at], rows.take(places[at]))

    rejected = [(prospects.quarantine, "prospect")]
    if usage is not None:
        rejected.append((usage, "usage row"))
    return ranked(scorer, found, ids, top, asked, told, rejected)


def _levels(column: NDArray[np.object_]) -> Counter[str]:
    counts = Counter(column.tolist())
    return Counter({level: n for level, n in counts.items() if isinstance(level, str)})
