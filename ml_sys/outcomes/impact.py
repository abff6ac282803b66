"""Say what handed-out lists have brought: promised against realised, and what being called did.

Invariant: a list counts only once the data reach the end of its window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.promises import apart
from ml_sys.outcomes.being_called import being_called
from ml_sys.outcomes.lottery import WEEK_DAYS
from ml_sys.outcomes.promised import Band, ListPart, band_of_all, band_of_some, by_rank, by_tier
from ml_sys.scoring.cooldown import COOLING, EXCLUDED, PAID_SINCE, WAITING
from ml_sys.text import is_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.form import Words
    from ml_sys.outcomes.being_called import Called, Reading
    from ml_sys.outcomes.lists import HandedOutList


@dataclass(frozen=True)
class ListOutcome:
    """The conversions that a list promised for its calls, and those that came.

    Attributes
    ----------
    list_id, version : str
    cutoff : int
    calls : int
    promised : float
        Expected conversions among the calls; NaN for a list by a rule, which promises nothing.
    realised : int or None
        None while its window is open.
    money : float or None
        Money a month from those that paid.
    matures_on : int
        Day that the data have to reach.
    may_gain : bool
        Whether late conversions may still be recorded.
    """

    list_id: str
    version: str
    cutoff: int
    calls: int
    promised: float
    realised: int | None
    money: float | None
    matures_on: int
    may_gain: bool


@dataclass(frozen=True)
class Impact:
    """What lists have brought.

    Attributes
    ----------
    as_of : int
    lists : tuple of ListOutcome
        The earliest first, including lists that are not mature yet.
    compared : int
        Lists whose windows do not overlap; the following figures are about these.
    tiers, ranks : tuple of Band
    total : Band or None
        None while no list is mature.
    called, first, by_rule : ListPart or None
        The companies called; the first of each list, called or not; and the most active companies of the same
        days. Each part has as many companies, none of which was waiting or cooling down.
    effect : Called or None
        None without an experiment.
    confidence : float
    rule : str
        The rule that says who is most active.
    words : Words
        What entities and their money are called.
    served : tuple of Band
        Conversions that the service's predictions promised, by version.
    """

    as_of: int
    lists: tuple[ListOutcome, ...]
    compared: int
    tiers: tuple[Band, ...]
    ranks: tuple[Band, ...]
    total: Band | None
    called: ListPart | None
    first: ListPart | None
    by_rule: ListPart | None
    effect: Called | None
    confidence: float
    rule: str = "a simple rule"
    words: Words = PLAIN_WORDS
    served: tuple[Band, ...] = ()


def impact(
    lists: Sequence[HandedOutList], entries: pd.DataFrame, reading: Reading, *, made: bool = False
) -> Impact:
    """Say what lists have brought.

    Parameters
    ----------
    lists : sequence of HandedOutList
        The earliest first.
    entries : DataFrame
        Their companies; for lists not among :func:`compared_lists`, only those that could have been called.
        Columns: ``list_id``, ``cutoff``, ``entity_id``, ``probability``, ``rank``, ``tier``, ``selected``,
        ``inclusion_probability`` and ``group``; ``converted`` (whether it paid within the horizon), ``money``
        (a month, 0 if it did not) and ``rule`` (the rule's score, NaN if it has none); with ``made`` also
        ``made`` (whether it was really called).
    reading : Reading
    made : bool
        Whether it is known who was really called.
    """
    entries = entries[entries["group"] != EXCLUDED]
    mature = [one for one in lists if one.is_mature(reading.as_of) and not is_rule(one.version)]
    called = entries[entries["selected"].to_numpy(dtype=bool)]
    of_list = called.groupby("list_id", observed=True).indices
    told = tuple(_outcome(one, called.iloc[of_list.get(one.list_id, [])], reading) for one in lists)
    if not mature:
        return Impact(reading.as_of, told, 0, (), (), None, None, None, None, None, reading.confidence)
    names = compared_lists(mature, reading.as_of)
    rows = _placed(entries[entries["list_id"].isin(names)])
    confidence = reading.confidence
    free = rows[~rows["group"].isin((COOLING, WAITING, PAID_SINCE))]
    chosen, active = free["selected"].to_numpy(dtype=bool), free["rule"]
    return Impact(
        reading.as_of,
        told,
        len(names),
        by_tier(rows, confidence),
        by_rank(rows, confidence),
        band_of_all(rows, confidence),
        band_of_some(free, chosen, confidence),
        band_of_some(free, _first(free, -free["rank"].to_numpy(dtype=np.float64)), confidence),
        band_of_some(free, _first(free, active.fillna(-1.0).to_numpy()), confidence)
        if active.notna().any()
        else None,
        being_called(mature, entries, reading, made=made),
        confidence,
    )


def compared_lists(lists: Sequence[HandedOutList], as_of: int) -> frozenset[str]:
    """Return mature lists whose windows do not overlap, starting from the latest."""
    mature = [one for one in lists if one.is_mature(as_of)]
    if not mature:
        return frozenset()
    days = -(-max(one.horizon_days for one in mature) // WEEK_DAYS) * WEEK_DAYS
    cutoffs = set(apart(np.array([one.cutoff for one in mature], dtype=np.int32), days).tolist())
    return frozenset(one.list_id for one in mature if one.cutoff in cutoffs)


def _outcome(listed: HandedOutList, called: pd.DataFrame, reading: Reading) -> ListOutcome:
    mature, ends = listed.is_mature(reading.as_of), listed.cutoff + listed.horizon_days
    return ListOutcome(
        listed.list_id,
        listed.version,
        listed.cutoff,
        len(called),
        float("nan") if is_rule(listed.version) else float(called["probability"].sum()),
        int(called["converted"].sum()) if mature else None,
        float(called["money"].sum()) if mature else None,
        ends,
        mature and reading.as_of < ends + reading.grace_days,
    )


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank companies that had paid by the hand-out where they belong, as the promise included them."""
    paid = (rows["group"] == PAID_SINCE).to_numpy()
    if not paid.any():
        return rows
    rank, probability = rows["rank"].to_numpy().copy(), rows["probability"].to_numpy()
    for at in rows.groupby("list_id", observed=True).indices.values():
        there, gone = np.sort(probability[at[~paid[at]]]), at[paid[at]]
        rank[gone] = 1 + there.size - np.searchsorted(there, probability[gone], side="right")
    return rows.assign(rank=rank)


def _first(rows: pd.DataFrame, score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose the companies with the highest scores, as many from each list as were called."""
    chosen = np.zeros(len(rows), dtype=bool)
    selected = rows["selected"].to_numpy(dtype=bool)
    for at in rows.groupby("list_id", observed=True).indices.values():
        chosen[at[np.argsort(-score[at], kind="stable")[: int(selected[at].sum())]]] = True
    return chosen
