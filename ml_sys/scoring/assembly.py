"""Put scored prospects in order, and describe the resulting list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.scoring.cooldown import COOLING, WAITING, cooling_down, days_of, put_last
from ml_sys.scoring.excluded import told_out
from ml_sys.scoring.ranking import best_first
from ml_sys.scoring.reasons import explain
from ml_sys.scoring.scored_list import ScoredList
from ml_sys.scoring.streaming.ranked import Ranked
from ml_sys.text import counted, date_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from ml_sys.data.quarantine import Quarantine
    from ml_sys.features.compute import Columns
    from ml_sys.scoring.batch import ScoredSoFar
    from ml_sys.scoring.reasons import Explained
    from ml_sys.scoring.scored_list import ListOptions
    from ml_sys.scoring.scorer import Scorer

_SHOWN_LEVELS = 3


def ranked(
    scorer: Scorer,
    found: ScoredSoFar,
    ids: Any,
    top: Callable[[NDArray[np.integer[Any]]], Columns],
    asked: ListOptions,
    told: tuple[list[str], list[str]],
    rejected: Sequence[tuple[Quarantine, str]],
) -> ScoredList:
    """Rank scored prospects, and add notes and warnings.

    Parameters
    ----------
    ids : pyarrow.StringArray
        Ids of the ranked companies, in the order of the prospects, like their probabilities.
    top : callable
        Returns the features of companies by their positions among those.
    told : tuple of (list of str, list of str)
        Notes and warnings so far.
    rejected : sequence of (Quarantine, str)
        Rejected rows, and what they are called.
    """
    notes, warnings = told
    cutoff, entity = asked.cutoff, scorer.spec.form.words.entity
    excluded = pd.concat(found.excluded, ignore_index=True) if found.excluded else None
    if excluded is not None:
        notes += told_out(excluded["group"].to_numpy(), date_of(cutoff), scorer.spec.form.words)
    warnings += _told_unseen(scorer, found)
    parts = [_rejects(quarantine, what, warnings, notes) for quarantine, what in rejected]
    several = len(found.probability) != 1
    probability = np.concatenate([np.empty(0), *found.probability]) if several else found.probability[0]
    listed_on = None if asked.listed is None else days_of(ids, asked.listed)
    group = groups_of(ids, listed_on, asked)
    order = order_of(probability, group)
    shown_on = None
    if listed_on is not None:
        cooling = group == COOLING
        shown_on = np.full(len(ids), "", dtype=object)
        shown_on[cooling] = listed_on[cooling].astype("datetime64[D]").astype(str)
        if cooling.any():
            was = entity.counted(int(cooling.sum()), "was", "were")
            notes.append(f"{was} listed in the last {counted(asked.cooldown_weeks, 'week')} and put last")
    if (group == WAITING).any():
        waiting = int((group == WAITING).sum())
        wait, was = entity.counted(waiting, "waits", "wait"), "was" if waiting == 1 else "were"
        notes.append(f"{wait} for the outcome of an earlier draw and {was} put last")
    first = order[: asked.reasons_top] if asked.reasons else order[:0]
    given = _explained(scorer, top(first), asked.reasons) if first.size else ()
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
        group=group[order] if group.strides[0] else group,  # one value for all is held once
        excluded=excluded,
        words=scorer.spec.form.words,
    )


def order_of(probability: NDArray[np.float64], group: NDArray[np.object_]) -> NDArray[np.integer[Any]]:
    """Return the positions of companies in calling order, in as few bytes as possible."""
    order: NDArray[np.integer[Any]] = best_first(probability).astype(np.int32)
    return put_last(order, group != "") if group.strides[0] else order


def groups_of(ids: Any, listed_on: NDArray[np.int32] | None, asked: ListOptions) -> NDArray[np.object_]:
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


def _explained(scorer: Scorer, columns: Columns, top: int) -> tuple[Explained, ...]:
    """Explain the probabilities of companies."""
    numbers = scorer.rows(columns)
    return tuple(
        explain(scorer, numbers[at : at + 1], {name: column[at] for name, column in columns.items()}, top)
        for at in range(len(numbers))
    )


def _told_unseen(scorer: Scorer, found: ScoredSoFar) -> Iterator[str]:
    """Say which values did not occur in the training rows."""
    for category, counts in found.levels.items():
        levels = unseen_levels(scorer, category, counts)
        if levels:
            shown = ", ".join(list(levels)[:_SHOWN_LEVELS]) + ("…" if len(levels) > _SHOWN_LEVELS else "")
            have = counted(sum(levels.values()), "row has", "rows have")
            yield (
                f"{category}: {have} a value that no training row had "
                f"({counted(len(levels), 'value')}: {shown})"
            )


def unseen_levels(scorer: Scorer, category: str, counts: Counter[str]) -> dict[str, int]:
    """Return the values of a category that no training row had, most frequent first."""
    return {level: n for level, n in counts.most_common() if not scorer.is_known(category, level)}


def _rejects(quarantine: Quarantine, what: str, warnings: list[str], notes: list[str]) -> pa.Table:
    for table in quarantine.tables:
        notes += [f"{what}s: {note}" for note in quarantine.notes(table)]
        warnings += quarantine.told_blanked(table, f"{what}s")
        for found, told in ((quarantine.rejected(table), warnings), (quarantine.merged(table), notes)):
            if found:
                reasons = ", ".join(f"{reason} ({n:,})" for reason, n in found.items())
                told.append(f"{counted(sum(found.values()), what)} not taken: {reasons}")
    return quarantine.to_table()
