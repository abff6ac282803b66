"""Compare a list with earlier ones: what changed for each company, and how its tier has converted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.errors import StorageError
from ml_sys.jobs.lists.handing_out import day_number_of
from ml_sys.jobs.lists.records import opened_if_there, what_is_known
from ml_sys.scoring.changes import CALLED, COOLING, NEW, RISING, Earlier, changes_since
from ml_sys.scoring.cooldown import TAKEN_OUT
from ml_sys.text import date_of, is_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ml_sys.jobs.lists.records import KnownConversions
    from ml_sys.outcomes.lists import HandedOutList
    from ml_sys.outcomes.store import Store
    from ml_sys.scoring.scored_list import ScoredList
    from ml_sys.settings import Settings

COLUMN, RECORD = "since_last_week", "tier_record"
_LISTS = 26  # latest mature lists whose tiers are looked at
_ENOUGH = 100  # with fewer companies a tier's record says nothing


def with_history(settings: Settings, scored: ScoredList) -> ScoredList:
    """Add to a list what lists handed out before its day show; unchanged if there were none."""
    if not len(scored):
        return scored
    cutoff = day_number_of(str(scored.head(1)["cutoff"].iloc[0]))
    try:
        with opened_if_there(settings) as store:
            before = [] if store is None else store.lists(until=cutoff - 1)
            if store is None or not before:
                return scored
            entries = store.entries([before[-1].list_id])
            entries = entries[~entries["group"].isin(TAKEN_OUT)]
            known = what_is_known(settings)
            records = tier_records(store, before, known)
    except StorageError as error:  # a user with read access only still gets a list
        unknown = f"changes since the last list are unknown: {error.message}"
        return replace(scored, notes=(*scored.notes, unknown))
    if is_rule(before[-1].version):  # a rule's list has no probabilities to compare with
        entries["probability"] = np.nan
    earlier = {
        name: Earlier(probability, selected)
        for name, probability, selected in zip(
            entries["entity_id"], entries["probability"].tolist(), entries["selected"].tolist(), strict=True
        )
    }
    changes = changes_since(scored.ids, scored.probability, earlier)
    columns = {COLUMN: changes}
    if records:
        columns[RECORD] = np.array([records.get(one, "") for one in scored.tier.tolist()], dtype=object)
    paid, entities = _paid(known, entries, before[-1], cutoff), scored.words.entity.many
    told = _told(Counter(changes.tolist()), before[-1], paid, entities)
    return replace(scored.beside(columns), notes=(*scored.notes, told))


def tier_records(store: Store, before: Sequence[HandedOutList], known: KnownConversions) -> dict[str, str]:
    """Say for each tier how its companies on the latest mature lists have converted.

    Lists imported from files are left out: they contain only companies that were called.
    """
    mature = {
        one.list_id: one
        for one in before
        if one.is_mature(known.as_of) and one.settings_digest and not is_rule(one.version)
    }
    lists = dict(list(mature.items())[-_LISTS:])
    if not lists:
        return {}
    first = min(one.cutoff for one in lists.values())
    customers = [name for name, day in known.closed.items() if first <= day <= known.as_of]
    paid = Counter(
        tier
        for name, entity, tier in store.entries_of(customers, list(lists))
        if known.came(lists[name], entity) == "paid"
    )
    companies = store.companies_by_tier(list(lists))
    return {tier: record(paid[tier], n) for tier, n in companies.items() if n >= _ENOUGH}


def record(paid: int, companies: int) -> str:
    """Say how many of some companies paid, per hundred, or per thousand if that would be less than one.

    Examples
    --------
    >>> record(14, 200), record(3, 1200), record(0, 500)
    ('of 100 like this, 7 paid', 'of 1,000 like this, 2 paid', 'of 500 like this, none paid')
    """
    if not paid:
        return f"of {companies:,} like this, none paid"
    among = 100 if 100 * paid >= companies else 1000
    return f"of {among:,} like this, {round(among * paid / companies)} paid"


def _told(counts: Counter[str], before: HandedOutList, paid: int, entities: str) -> str:
    said = ", ".join(f"{counts[name]:,} {name}" for name in (NEW, RISING, COOLING, CALLED))
    return f"since the list of {date_of(before.cutoff)}: {said}; of all {entities} on it {paid:,} paid"


def _paid(known: KnownConversions, entries: pd.DataFrame, before: HandedOutList, cutoff: int) -> int:
    """Count the companies on the list before that have become customers since."""
    days = np.array([known.closed.get(name, -1) for name in entries["entity_id"]])
    return int(((days >= before.cutoff) & (days < cutoff)).sum())
