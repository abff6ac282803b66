"""Says of each company on a list what changed since the list before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.errors import StorageError
from ml_sys.jobs.lists.handing_out import day_number_of
from ml_sys.jobs.lists.records import opened_if_there, what_is_known
from ml_sys.scoring.changes import CALLED, COOLING, NEW, RISING, Earlier, changes_since
from ml_sys.text import date_of

if TYPE_CHECKING:
    import pandas as pd

    from ml_sys.outcomes.lists import HandedOutList
    from ml_sys.scoring.batch import ScoredList
    from ml_sys.settings import Settings

COLUMN = "since_last_week"


def with_changes(settings: Settings, scored: ScoredList) -> ScoredList:
    """Return a list with what changed since the last list handed out before its day; the same without one."""
    if not len(scored.table):
        return scored
    cutoff = day_number_of(str(scored.table["cutoff"].iloc[0]))
    try:
        with opened_if_there(settings) as store:
            before = [] if store is None else store.lists(until=cutoff - 1)
            if store is None or not before:
                return scored
            entries = store.entries([before[-1].list_id])
    except StorageError as error:  # who may only read gets a list all the same
        unknown = f"what changed since the last list is not known: {error.message}"
        return replace(scored, notes=(*scored.notes, unknown))
    earlier = {
        name: Earlier(probability, selected)
        for name, probability, selected in zip(
            entries["entity_id"], entries["probability"].tolist(), entries["selected"].tolist(), strict=True
        )
    }
    table = scored.table
    changes = changes_since(table["id"].to_numpy(), table["probability"].to_numpy(), earlier)
    at = list(table.columns).index("cutoff") + 1
    table = table.copy()
    table.insert(at, COLUMN, changes)
    told = _told(Counter(changes.tolist()), before[-1], _paid(settings, entries, before[-1], cutoff))
    return replace(scored, table=table, notes=(*scored.notes, told))


def _told(counts: Counter[str], before: HandedOutList, paid: int) -> str:
    said = ", ".join(f"{counts[name]:,} {name}" for name in (NEW, RISING, COOLING, CALLED))
    return f"since the list of {date_of(before.cutoff)}: {said}; {paid:,} of it paid"


def _paid(settings: Settings, entries: pd.DataFrame, before: HandedOutList, cutoff: int) -> int:
    """Count who on the list before became a customer since."""
    closed = what_is_known(settings).closed
    days = np.array([closed.get(name, -1) for name in entries["entity_id"]])
    return int(((days >= before.cutoff) & (days < cutoff)).sum())
