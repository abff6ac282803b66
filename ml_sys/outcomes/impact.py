"""What lists that were handed out have brought: promised against realised, and what being called did.

Invariant: a list counts only when the data reach the end of its window; until then it waits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.metrics.promises import apart
from ml_sys.outcomes.effect import (
    Complied,
    Trial,
    chance_of_as_much,
    effect_of_calls_made,
    extra_per_list,
    more_lists,
    running,
)
from ml_sys.outcomes.lists import EXCLUDED
from ml_sys.outcomes.lottery import WEEK_DAYS, in_lottery
from ml_sys.outcomes.promised import Band, Part, by_rank, by_tier, part, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.outcomes.lists import HandedOutList

_REDRAWS = 999
# Conversions on either side of the lottery below which its interval is not to be relied on.
FEW = 5


@dataclass(frozen=True)
class Reading:
    """How outcomes are read.

    Attributes
    ----------
    as_of : int
        Day on which the data end.
    grace_days : int
        Days after a window for conversions that are recorded late.
    confidence : float
        Of the intervals, in (0, 1).
    seed : int
    """

    as_of: int
    grace_days: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class ListOutcome:
    """What a list promised its calls, and what came.

    Attributes
    ----------
    list_id, version : str
    cutoff : int
    calls : int
    promised : float
        Conversions among the calls.
    realised : int or None
        None while its window is open.
    money : float or None
        What those that paid bring a month.
    matures_on : int
        Day that data have to reach.
    may_gain : bool
        Whether conversions recorded late may still come.
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
class After:
    """The effect as it stood after the list of a day."""

    cutoff: int
    extra: Estimate


@dataclass(frozen=True)
class Called:
    """What being on the call list did, told by those whom chance decided on.

    Attributes
    ----------
    design : str
    lists : int
    calls : float
        Calls a list that were drawn by lot.
    drawn, waited : int
        Companies drawn, and left to wait, over all lists.
    drawn_paid, waited_paid : int
    extra, money : Estimate
        Conversions, and money a month, that being called brought a list.
    chance : float
        How often the draw alone would show as much if calling did nothing.
    more_lists : int or None
        That would settle an effect as large as it now looks; 0 where it is settled.
    complied : Complied or None
        Where it is known who was really called.
    running : tuple of After
    """

    design: str
    lists: int
    calls: float
    drawn: int
    waited: int
    drawn_paid: int
    waited_paid: int
    extra: Estimate
    money: Estimate
    chance: float
    more_lists: int | None
    complied: Complied | None
    running: tuple[After, ...]

    @property
    def too_few(self) -> bool:
        """Whether so few have paid on one side that the interval is not to be relied on."""
        return min(self.drawn_paid, self.waited_paid) < FEW


@dataclass(frozen=True)
class Impact:
    """What lists have brought.

    Attributes
    ----------
    as_of : int
    lists : tuple of ListOutcome
        The earliest first, also those that wait.
    compared : int
        Lists whose windows do not overlap, of which the following figures are.
    tiers, ranks : tuple of Band
    total : Band or None
        None while no list is mature.
    called, first, by_rule : Part or None
        What was called; the first of each list, called or not; and the most active companies of the same
        days: as many each.
    effect : Called or None
        None without an experiment.
    confidence : float
    """

    as_of: int
    lists: tuple[ListOutcome, ...]
    compared: int
    tiers: tuple[Band, ...]
    ranks: tuple[Band, ...]
    total: Band | None
    called: Part | None
    first: Part | None
    by_rule: Part | None
    effect: Called | None
    confidence: float


def impact(
    lists: Sequence[HandedOutList], entries: pd.DataFrame, reading: Reading, *, made: bool = False
) -> Impact:
    """Say what lists have brought.

    Parameters
    ----------
    lists : sequence of HandedOutList
        The earliest first.
    entries : DataFrame
        Companies on them, those of lists not among :func:`compared_lists` only as far as they could have been
        called: ``list_id``, ``cutoff``, ``entity_id``, ``probability``, ``rank``, ``tier``,
        ``selected``, ``inclusion_probability`` and ``group``; ``converted`` (whether it paid within the
        horizon), ``money`` (a month, 0 where it did not) and ``rule`` (what the simple rule ranks by, NaN
        where it does not); with ``made`` also ``made`` (whether it was really called).
    reading : Reading
    made : bool
        Whether it is known who was really called.
    """
    entries = entries[entries["group"] != EXCLUDED]
    mature = [one for one in lists if one.is_mature(reading.as_of)]
    told = tuple(_outcome(one, entries[entries["list_id"] == one.list_id], reading) for one in lists)
    if not mature:
        return Impact(reading.as_of, told, 0, (), (), None, None, None, None, None, reading.confidence)
    names = compared_lists(mature, reading.as_of)
    rows = entries[entries["list_id"].isin(names)]
    confidence = reading.confidence
    chosen, active = rows["selected"].to_numpy(dtype=bool), rows["rule"]
    return Impact(
        reading.as_of,
        told,
        len(names),
        by_tier(rows, confidence),
        by_rank(rows, confidence),
        whole(rows, confidence),
        part(rows, chosen, confidence),
        part(rows, _first(rows, -rows["rank"].to_numpy(dtype=np.float64)), confidence),
        part(rows, _first(rows, active.fillna(-1.0).to_numpy()), confidence)
        if active.notna().any()
        else None,
        _called(mature, entries, reading, made=made),
        confidence,
    )


def compared_lists(lists: Sequence[HandedOutList], as_of: int) -> frozenset[str]:
    """Return the mature lists whose windows do not overlap, the latest among them."""
    mature = [one for one in lists if one.is_mature(as_of)]
    if not mature:
        return frozenset()
    days = -(-max(one.horizon_days for one in mature) // WEEK_DAYS) * WEEK_DAYS
    cutoffs = set(apart(np.array([one.cutoff for one in mature], dtype=np.int32), days).tolist())
    return frozenset(one.list_id for one in mature if one.cutoff in cutoffs)


def _outcome(listed: HandedOutList, rows: pd.DataFrame, reading: Reading) -> ListOutcome:
    called = rows[rows["selected"]]
    mature, ends = listed.is_mature(reading.as_of), listed.cutoff + listed.horizon_days
    return ListOutcome(
        listed.list_id,
        listed.version,
        listed.cutoff,
        len(called),
        float(called["probability"].sum()),
        int(called["converted"].sum()) if mature else None,
        float(called["money"].sum()) if mature else None,
        ends,
        mature and reading.as_of < ends + reading.grace_days,
    )


def _first(rows: pd.DataFrame, score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose as many companies of each list as were called, by falling score."""
    chosen = np.zeros(len(rows), dtype=bool)
    lists, selected = rows["list_id"].to_numpy(), rows["selected"].to_numpy(dtype=bool)
    for name in np.unique(lists):
        at = np.flatnonzero(lists == name)
        chosen[at[np.argsort(-score[at], kind="stable")[: int(selected[at].sum())]]] = True
    return chosen


def _called(
    mature: Sequence[HandedOutList], entries: pd.DataFrame, reading: Reading, *, made: bool
) -> Called | None:
    """Estimate what being called did, over the mature lists of the latest design that draws."""
    drawn = [one for one in mature if one.design != "none"]
    if not drawn:
        return None
    design = drawn[-1].design
    names = [one.list_id for one in drawn if one.design == design]
    by_lot = in_lottery(entries["inclusion_probability"].to_numpy())
    rows = entries[by_lot & entries["list_id"].isin(names)]
    trial = _trial(rows, names)
    extra = extra_per_list(trial, reading.confidence)
    paid = trial.outcome > 0
    cutoffs = [one.cutoff for one in drawn if one.design == design]
    after = zip(cutoffs, running(trial, reading.confidence), strict=True)
    return Called(
        design,
        trial.lists,
        float(trial.called.sum()) / trial.lists,
        int(trial.called.sum()),
        int((~trial.called).sum()),
        int(paid[trial.called].sum()),
        int(paid[~trial.called].sum()),
        extra,
        extra_per_list(replace(trial, outcome=rows["money"].to_numpy(dtype=np.float64)), reading.confidence),
        chance_of_as_much(trial, by_company=design == "holdout", redraws=_REDRAWS, seed=reading.seed),
        more_lists(extra, trial.lists, reading.confidence),
        effect_of_calls_made(trial, rows["made"].to_numpy(dtype=bool), reading.confidence) if made else None,
        tuple(After(cutoff, found) for cutoff, found in after),
    )


def _trial(rows: pd.DataFrame, names: Sequence[str]) -> Trial:
    place = {name: at for at, name in enumerate(names)}
    week = np.array([place[name] for name in rows["list_id"]], dtype=np.intp)
    _, company = np.unique(rows["entity_id"].to_numpy(dtype=object), return_inverse=True)
    return Trial(
        week,
        company.astype(np.intp),
        rows["probability"].to_numpy(dtype=np.float64),
        rows["inclusion_probability"].to_numpy(dtype=np.float64),
        rows["selected"].to_numpy(dtype=bool),
        rows["converted"].to_numpy(dtype=np.float64),
        len(names),
    )
