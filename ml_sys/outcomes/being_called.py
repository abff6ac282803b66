"""Estimate what being on the call list did, over the lists of one design."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.outcomes.effect import (
    Complied,
    DrawnCalls,
    chance_of_as_much,
    effect_of_calls_made,
    extra_per_list,
    more_lists,
    running,
)
from ml_sys.outcomes.lottery import in_lottery

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.outcomes.lists import HandedOutList

_REDRAWS = 499
# With fewer conversions on either side of the lottery, its interval is not reliable.
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
class After:
    """The effect as it stood after the list of a day."""

    cutoff: int
    extra: Estimate


@dataclass(frozen=True)
class Called:
    """What being on the call list did, estimated from the companies that the lottery decided on.

    Attributes
    ----------
    design : str
    lists : int
    calls : float
        Calls a list that were drawn by lot.
    drawn, waited : int
        Companies drawn, and left waiting, over all lists.
    drawn_paid, waited_paid : int
    anyway : float
        How many of those drawn would have paid without a call: those that waited and paid, each weighted by
        the odds of its inclusion probability.
    extra, money : Estimate
        Conversions, and money a month, that being called brought a list.
    chance : float
        How often the draw alone would show an effect this large if calling did nothing.
    more_lists : int or None
        Further lists needed to confirm an effect of this size; 0 if it is confirmed.
    complied : Complied or None
        Present if it is known who was really called.
    running : tuple of After
    """

    design: str
    lists: int
    calls: float
    drawn: int
    waited: int
    drawn_paid: int
    waited_paid: int
    anyway: float
    extra: Estimate
    money: Estimate
    chance: float
    more_lists: int | None
    complied: Complied | None
    running: tuple[After, ...]

    @property
    def too_few(self) -> bool:
        """Whether too few have paid on one side for the interval to be reliable."""
        return min(self.drawn_paid, self.waited_paid) < FEW


def being_called(
    mature: Sequence[HandedOutList], entries: pd.DataFrame, reading: Reading, *, made: bool
) -> Called | None:
    """Estimate what being called did, over the mature lists of the latest design that draws."""
    drawn = [one for one in mature if one.design != "none"]
    if not drawn:
        return None
    design = drawn[-1].design
    names = [one.list_id for one in drawn if one.design == design]
    by_lot = in_lottery(entries["inclusion_probability"].to_numpy())
    rows = entries[by_lot & entries["list_id"].isin(names)].sort_values("cutoff", kind="stable")
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
        float((trial.inclusion / (1 - trial.inclusion))[paid & ~trial.called].sum()),
        extra,
        extra_per_list(replace(trial, outcome=rows["money"].to_numpy(dtype=np.float64)), reading.confidence),
        chance_of_as_much(trial, by_company=design == "holdout", redraws=_REDRAWS, seed=reading.seed),
        more_lists(extra, trial.lists, reading.confidence),
        effect_of_calls_made(trial, rows["made"].to_numpy(dtype=bool), reading.confidence) if made else None,
        tuple(After(cutoff, found) for cutoff, found in after),
    )


def _trial(rows: pd.DataFrame, names: Sequence[str]) -> DrawnCalls:
    place = {name: at for at, name in enumerate(names)}
    week = np.array([place[name] for name in rows["list_id"]], dtype=np.intp)
    _, company = np.unique(rows["entity_id"].to_numpy(dtype=object), return_inverse=True)
    return DrawnCalls(
        week,
        company.astype(np.intp),
        rows["probability"].to_numpy(dtype=np.float64),
        rows["inclusion_probability"].to_numpy(dtype=np.float64),
        rows["selected"].to_numpy(dtype=bool),
        rows["converted"].to_numpy(dtype=np.float64),
        len(names),
    )
