"""Score a file of prospects as of a cutoff, and describe the resulting list."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.features.inputs import log_of
from ml_sys.scoring.cooldown import COOLING, WAITING, cooling_down, days_of, put_last
from ml_sys.scoring.excluded import groups_of_those_out, told_out
from ml_sys.scoring.ranking import best_first
from ml_sys.scoring.reasons import explain
from ml_sys.scoring.scored_list import Asked, ScoredList
from ml_sys.scoring.scorer import CompiledScorer
from ml_sys.scoring.streaming.features import ComputedFeatures, ReadyFeatures
from ml_sys.scoring.streaming.ranked import Ranked
from ml_sys.scoring.streaming.side_by_side import side_by_side
from ml_sys.text import counted, date_of, with_article

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.quarantine import Quarantine
    from ml_sys.features.compute import Columns
    from ml_sys.scoring.prospects import Companies, ProspectUsage, Ready
    from ml_sys.scoring.reasons import Explained
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.scoring.streaming.features import Features
    from ml_sys.scoring.streaming.held import HeldRows

_SHOWN_LEVELS = 3
_THREADS = min(os.cpu_count() or 1, 4)  # each has features of a batch in memory


@dataclass
class _Scored:
    """What is kept of the prospects scored so far: n that are ranked, and who is excluded."""

    places: list[NDArray[np.int32]] = field(default_factory=list)
    probability: list[NDArray[np.float64]] = field(default_factory=list)
    excluded: list[pd.DataFrame] = field(default_factory=list)
    levels: dict[str, Counter[str]] = field(default_factory=dict)


def score_ready(scorer: Scorer, prospects: Ready, asked: Asked) -> ScoredList:
    """Score prospects whose features are given; usage is not needed."""
    features = ReadyFeatures(scorer.spec)
    found = _score(scorer, prospects.rows, features, asked)
    return _list(scorer, prospects, features, asked, found, ([], []), None)


def score_companies(
    scorer: Scorer,
    prospects: Companies,
    usage: ProspectUsage,
    asked: Asked,
    *,
    customers: dict[str, int],
) -> ScoredList:
    """Score prospects from attributes and usage complete by the cutoff.

    Parameters
    ----------
    prospects : Companies
        Of n companies.
    usage : ProspectUsage
        Of the same companies by position.
    customers : dict of str to int
        Closing day of companies known to be customers; those who closed before the cutoff are left out.
    """
    spec, n, cutoff, words = scorer.spec, len(prospects.rows), asked.cutoff, scorer.spec.form.words
    entity, customer = words.entity, words.customer
    log = log_of((usage.company, usage.stamp, usage.values), spec, n)  # noqa: PD011 - no column of pandas
    notes, warnings = [], []
    if usage.strangers:
        belong = counted(usage.strangers, "usage row belongs", "usage rows belong")
        notes.append(f"{belong} to {entity.many} that are not in the list")
    complete = log.day <= cutoff
    seen = np.unique(log.company[complete]).size
    notes.append(f"{seen:,} of {n:,} prospects have usage complete by {date_of(cutoff)}")
    ends = int(log.day[complete].max(initial=np.iinfo(np.int32).min))
    if not complete.any():
        warnings.append(f"no usage is complete by {date_of(cutoff)}: the ranking rests on attributes alone")
    elif cutoff - ends > asked.stale_days:
        warnings.append(
            f"usage ends on {date_of(ends)}, {cutoff - ends} days before {date_of(cutoff)}: "
            f"every {entity.one} looks idle since; ingest newer usage or move --as-of"
        )
    features = ComputedFeatures(spec, log, cutoff, customers)
    found = _score(scorer, prospects.rows, features, asked)
    no_day = "did not exist for a day by"
    were_customers = (f"was {with_article(customer.one)} before", f"were {customer.many} before")
    for out, one, several in (
        (features.were_customers, *were_customers),
        (features.are_new, no_day, no_day),
    ):
        if out:
            notes.append(f"{entity.counted(out, one, several)} {date_of(cutoff)}, and left out")
    return _list(scorer, prospects, features, asked, found, (notes, warnings), usage.quarantine)


def _score(scorer: Scorer, rows: HeldRows, features: Features, asked: Asked) -> _Scored:
    """Compute features and probabilities batch by batch, several at once, and keep the probabilities."""
    found = _Scored(levels={category: Counter() for category in scorer.spec.categories()})

    def of(start: int, batch: pa.RecordBatch, keep: NDArray[np.bool_]) -> _Scored:
        return _of_batch(scorer, features, asked, start, batch, keep)

    jobs = ((start, batch, features.ranked(batch)) for start, batch in rows.batches())
    for one in side_by_side(of, jobs, _THREADS if isinstance(scorer, CompiledScorer) else 1):
        found.places += one.places
        found.probability += one.probability
        found.excluded += one.excluded
        for category, levels in one.levels.items():
            found.levels[category].update(levels)
    return found


def _of_batch(
    scorer: Scorer,
    features: Features,
    asked: Asked,
    start: int,
    batch: pa.RecordBatch,
    keep: NDArray[np.bool_],
) -> _Scored:
    """Score a batch whose first row has a place, and of which some rows are ranked."""
    probability = np.empty(batch.num_rows)
    levels = {name: np.empty(batch.num_rows, dtype=object) for name in scorer.spec.categories()}
    for places, columns in features(start, batch):
        probability[places] = _probabilities(scorer, columns)
        for category, texts in levels.items():
            texts[places] = columns[category]
    found = _Scored()
    group = groups_of_those_out(batch.column("id"), asked.excluded, asked.paid_since)
    out = keep & (group != "")
    if out.any():
        ids, gone = batch.column("id").to_numpy(zero_copy_only=False)[out], probability[out]
        tier = scorer.tiers.of(gone)
        found.excluded.append(
            pd.DataFrame({"id": ids, "probability": gone, "tier": tier, "group": group[out]})
        )
    kept = np.flatnonzero(keep & ~out)
    if kept.size:
        found.places.append((kept + start).astype(np.int32))
        found.probability.append(probability[kept])
        found.levels = {category: _levels(texts[kept]) for category, texts in levels.items()}
    return found


def _probabilities(scorer: Scorer, columns: Columns) -> NDArray[np.float64]:
    if isinstance(scorer, CompiledScorer):
        return scorer.of_columns(columns)
    return scorer.probabilities(scorer.rows(columns))


def _list(
    scorer: Scorer,
    prospects: Companies | Ready,
    features: Features,
    asked: Asked,
    found: _Scored,
    told: tuple[list[str], list[str]],
    usage: Quarantine | None,
) -> ScoredList:
    notes, warnings = told
    cutoff, entity = asked.cutoff, scorer.spec.form.words.entity
    excluded = pd.concat(found.excluded, ignore_index=True) if found.excluded else None
    if excluded is not None:
        notes += told_out(excluded["group"].to_numpy(), date_of(cutoff), scorer.spec.form.words)
    for category, counts in found.levels.items():
        levels = unseen_levels(scorer, category, counts)
        if levels:
            shown = ", ".join(list(levels)[:_SHOWN_LEVELS]) + ("…" if len(levels) > _SHOWN_LEVELS else "")
            have = counted(sum(levels.values()), "row has", "rows have")
            warnings.append(
                f"{category}: {have} a value that no training row had "
                f"({counted(len(levels), 'value')}: {shown})"
            )
    parts = [_rejects(prospects.quarantine, "prospect", warnings, notes)]
    if usage is not None:
        parts.append(_rejects(usage, "usage row", warnings, notes))
    places = np.concatenate([np.empty(0, np.int32), *found.places])
    probability = np.concatenate([np.empty(0), *found.probability])
    ids = prospects.rows.ids
    if places.size < len(ids):
        ids = ids.take(places)
    listed_on = None if asked.listed is None else days_of(ids, asked.listed)
    group = _groups(ids, listed_on, asked)
    order = _order(probability, group)
    shown_on = None
    if listed_on is not None:
        cooling = group == COOLING
        shown_on = np.where(cooling, listed_on.astype("datetime64[D]").astype(str), "").astype(object)
        if cooling.any():
            was = entity.counted(int(cooling.sum()), "was", "were")
            notes.append(f"{was} listed in the last {counted(asked.cooldown_weeks, 'week')}, and put last")
    if (group == WAITING).any():
        waiting = int((group == WAITING).sum())
        wait, was = entity.counted(waiting, "waits", "wait"), "was" if waiting == 1 else "were"
        notes.append(f"{wait} for what comes of an earlier draw, and {was} put last")
    given = _explained(scorer, prospects.rows, features, places[order[: asked.reasons_top]], asked.reasons)
    input_order = np.empty_like(order)
    input_order[order] = np.arange(order.size, dtype=order.dtype)
    return ScoredList(
        Ranked(
            scorer,
            asked.version,
            date_of(cutoff),
            ids,
            probability,
            order,
            shown_on,
            given,
            min(asked.reasons, len(scorer.spec.names())),
        ),
        input_order=input_order,
        notes=tuple(notes),
        warnings=tuple(warnings),
        quarantine=pa.concat_tables(parts),
        reasons=tuple(one.reasons for one in given),
        group=group[order],
        excluded=excluded,
        words=scorer.spec.form.words,
    )


def _order(probability: NDArray[np.float64], group: NDArray[np.object_]) -> NDArray[np.integer[Any]]:
    """Return the places of companies, the first to call first, in as few bytes as they need."""
    order: NDArray[np.integer[Any]] = best_first(probability).astype(np.int32)
    return put_last(order, group != "") if group.strides[0] else order


def _groups(ids: Any, listed_on: NDArray[np.int32] | None, asked: Asked) -> NDArray[np.object_]:
    """Return why each company is put last; empty for the others."""
    nobody = np.broadcast_to(np.array([""], dtype=object), len(ids))
    if listed_on is None and not asked.waiting:
        return nobody
    group = nobody.copy()
    if listed_on is not None:
        group[cooling_down(listed_on, asked.cutoff, asked.cooldown_weeks)] = COOLING
    if asked.waiting:
        waits = pc.is_in(ids, pa.array(asked.waiting, pa.string()))
        group[waits.to_numpy(zero_copy_only=False)] = WAITING
    return group


def _explained(
    scorer: Scorer, rows: HeldRows, features: Features, places: NDArray[np.integer[Any]], top: int
) -> tuple[Explained, ...]:
    """Explain the companies of some places."""
    if not top or not places.size:
        return ()
    columns = features.of(places, rows.take(places))
    numbers = scorer.rows(columns)
    return tuple(
        explain(scorer, numbers[at : at + 1], {name: column[at] for name, column in columns.items()}, top)
        for at in range(places.size)
    )


def _levels(column: NDArray[np.object_]) -> Counter[str]:
    counts = Counter(column.tolist())
    return Counter({level: n for level, n in counts.items() if isinstance(level, str)})


def unseen_levels(scorer: Scorer, category: str, counts: Counter[str]) -> dict[str, int]:
    """Return the values of a category that no training row had, most frequent first."""
    return {level: n for level, n in counts.most_common() if not scorer.is_known(category, level)}


def _rejects(quarantine: Quarantine, what: str, warnings: list[str], notes: list[str]) -> pa.Table:
    for table in quarantine.tables:
        warnings += quarantine.told_blanked(table, f"{what}s")
        for found, told in ((quarantine.rejected(table), warnings), (quarantine.merged(table), notes)):
            if found:
                reasons = ", ".join(f"{reason} ({n:,})" for reason, n in found.items())
                told.append(f"{counted(sum(found.values()), what)} not taken: {reasons}")
    return quarantine.to_table()
