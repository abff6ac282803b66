"""The terms of a backtest: each fits a model on one day and uses it for the lists until the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.errors import NotEnoughDataError
from ml_sys.text import date_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_sys.settings import BacktestSettings
    from ml_sys.timeline import Timeline

PLAIN = "plain XGBoost"
# Without a first day asked for, a backtest begins when there is this much to learn from.
_LEAST_TRAINING_CUTOFFS = 6


@dataclass(frozen=True)
class Term:
    """Days since 1970-01-01: when a model is fitted, and the cutoffs of its lists."""

    trained: int
    cutoffs: tuple[int, ...]


@dataclass(frozen=True)
class TermScores:
    """A term model's scores for every prospect on its lists; n_rows in all.

    Attributes
    ----------
    training_cutoffs, training_positives : int
        What was mature when it was fitted.
    trees : int or None
        Number of trees chosen.
    threshold : float
        Decision threshold.
    cutoff, company : ndarray of shape (n_rows,), int32
    label, seen : ndarray of shape (n_rows,), bool
    tier : ndarray of shape (n_rows,), str
    scores : dict of str to ndarray of shape (n_rows,), float64
        By ranker; the model's are probabilities.
    """

    training_cutoffs: int
    training_positives: int
    trees: int | None
    threshold: float
    cutoff: NDArray[np.int32]
    company: NDArray[np.int32]
    label: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    tier: NDArray[np.str_]
    scores: dict[str, NDArray[np.float64]]


def plan_terms(
    timeline: Timeline,
    asked: BacktestSettings,
    step_days: int,
    *,
    first: int | None = None,
    last: int | None = None,
) -> tuple[Term, ...]:
    """Lay out the lists from ``first`` to ``last`` inclusive and the days on which models are fitted.

    Parameters
    ----------
    step_days : int
        From one training cutoff to the next.
    first, last : int, optional
        Days since 1970-01-01. By default the latest mature cutoff is the last one, and the first one leaves
        room for ``backtest.lists`` lists or as many as there is enough to learn from before.

    Raises
    ------
    NotEnoughDataError
        If no list is left, one's outcome is not known yet or lies outside the usage, or there is nothing to
        learn from before the first one.
    """
    every, retrain = asked.every_days, asked.retrain_days
    last = timeline.latest_mature() if last is None else last
    if first is None:
        cutoffs = timeline.grid(last, every, asked.lists).tolist() or [last]
        while len(cutoffs) > 1 and _mature_before(timeline, cutoffs[0], step_days) < _LEAST_TRAINING_CUTOFFS:
            del cutoffs[0]
    else:
        cutoffs = timeline.forward(first, last, every)
    late = [cutoff for cutoff in cutoffs if not timeline.is_mature(cutoff)]
    if late or not cutoffs:
        found = (
            f"cutoff {date_of(late[0])} is not mature" if late else "no cutoff lies in the range asked for"
        )
        raise NotEnoughDataError(
            found, hint=f"the latest mature cutoff is {date_of(timeline.latest_mature())}"
        )
    if not _mature_before(timeline, cutoffs[0], step_days):
        raise NotEnoughDataError(
            f"there is nothing to learn from by {date_of(cutoffs[0])}: no training cutoff was mature then",
            hint="name a later first day: --from DATE",
        )
    terms: list[list[int]] = []
    for cutoff in cutoffs:
        if not terms or cutoff >= terms[-1][0] + retrain:
            terms.append([])
        terms[-1].append(cutoff)
    return tuple(Term(term[0], tuple(term)) for term in terms)


def _mature_before(timeline: Timeline, day: int, step_days: int) -> int:
    return timeline.training_cutoffs(day, step_days, _LEAST_TRAINING_CUTOFFS).size
