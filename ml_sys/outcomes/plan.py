"""Simulate how many lists a design needs until it shows an effect, before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.outcomes.effect import POWER, contributions, effect_of
from ml_sys.outcomes.lottery import WEEK_DAYS, inclusion_probabilities, pivotal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.outcomes.lottery import Design

# Longer waits are reported as such.
MOST_YEARS = 5
# The effect has to show often enough at this many looks in a row, since few simulated programmes are noisy.
_SETTLED = 3
_YEAR_DAYS = 365
_ROUNDING = 0.01  # of a list: months are not of one length
_AT_ONCE = 50  # programmes that are judged side by side
# Spare places of a pool, as a share of it, for companies that replace those that paid because of a call.
_SPARE = 0.25


@dataclass(frozen=True)
class Waiting:
    """What a design needs, and what it costs.

    Attributes
    ----------
    design : Design
    lists : int or None
        Lists until the effect shows in four of five programmes; None if it takes longer than ``MOST_YEARS``.
    drawn : float
        Calls per list that are drawn by lot.
    in_lottery : float
        Conversions per list, without any call, among the companies that chance decides on.
    reached : float
        Conversions per list, without any call, among the companies that are called.
    best_reached : float
        The same if the companies at the top of the list were always called.
    power : tuple of float
        How often the effect shows after each list.
    """

    design: Design
    lists: int | None
    drawn: float
    in_lottery: float
    reached: float
    best_reached: float
    power: tuple[float, ...]


@dataclass(frozen=True)
class Pools:
    """The companies that may be called from each list, best first.

    Attributes
    ----------
    probability : ndarray of shape (n_lists, n_pool), float64
        0 if there are too few companies.
    company : ndarray of shape (n_lists, n_pool), int
        Numbered from 0 over all lists.
    every_days : float
        Days from one list to the next.
    """

    probability: NDArray[np.float64]
    company: NDArray[np.intp]
    every_days: float = WEEK_DAYS

    @property
    def most_lists(self) -> int:
        """Number of lists in ``MOST_YEARS``."""
        return most_lists(self.every_days)

    def lists_in(self, days: int) -> int:
        """Return the number of lists in this many days."""
        return max(1, math.ceil(days / self.every_days - _ROUNDING))


def most_lists(every_days: float) -> int:
    """Return the number of lists in ``MOST_YEARS``."""
    return int(MOST_YEARS * _YEAR_DAYS / every_days)


def pools(probability: NDArray[np.float64], design: Design, every_days: float = WEEK_DAYS) -> Pools:
    """Return the pool of each list; companies that were in a recent pool wait.

    The lists are gone through twice, and only the second time counts: nobody is waiting yet at the first
    lists of an experiment, so they are richer than later ones.

    Parameters
    ----------
    probability : ndarray of shape (n_companies, n_lists), float64
        The oldest list first; NaN where a company is not on the list.
    design : Design
    every_days : float
        Days from one list to the next.

    Returns
    -------
    Pools
        With spare companies, for replacements in a lottery or for a deep holdout.
    """
    companies, lists = probability.shape
    if design.kind == "holdout":
        wanted = design.capacity / (1 - design.share)
        size = min(companies, int(wanted + 5 * np.sqrt(wanted * design.share) + 1))
    else:
        wanted = inclusion_probabilities(companies, design).size
        size = min(companies, wanted + math.ceil(_SPARE * wanted))
    found, who = np.zeros((lists, size)), np.zeros((lists, size), dtype=np.intp)
    wait, free = Pools(found, who, every_days).lists_in(design.wait_days), np.zeros(companies, dtype=np.int64)
    for at in range(2 * lists):
        listed = probability[:, at % lists]
        standing = np.where((free <= at) & ~np.isnan(listed), listed, -1.0)
        order = np.argsort(-standing, kind="stable")[:size]
        found[at % lists], who[at % lists] = np.maximum(standing[order], 0.0), order
        taken = order[: round(wanted)]
        free[taken[standing[taken] >= 0]] = at + wait
    return Pools(found, np.unique(who, return_inverse=True)[1].reshape(who.shape), every_days)


def play(
    every: Pools,
    design: Design,
    effect: float,
    *,
    programmes: int,
    confidence: float,
    most_lists: int | None = None,
) -> Waiting:
    """Simulate a design many times and say when its interval excludes zero.

    Parameters
    ----------
    every : Pools
        Used in turn, starting again after the last.
    design : Design
    effect : float
        Of a call, as a share of the probability: 0.5 means half as many conversions again.
    programmes : int
        Number of simulations.
    confidence : float
        In (0, 1).
    most_lists : int, optional
        By default the number in ``MOST_YEARS``.

    Notes
    -----
    Each programme is judged as ``mlsys impact`` judges it, with the jackknife by company; an interval that
    took the probabilities as true would be too narrow. A company that pays because of a call is on no later
    list, and a less likely one takes its place. Without these two the result would be too optimistic.
    """
    most = most_lists or every.most_lists
    rng = np.random.default_rng(design.seed)
    gone = np.zeros((programmes, int(every.company.max()) + 1), dtype=np.int64)
    held, rows = np.zeros(gone.shape, dtype=bool), np.arange(programmes)[:, None]
    sums, hold = _Sums.of(programmes, gone.shape[1]), every.lists_in(WEEK_DAYS * design.hold_weeks)
    places = (
        inclusion_probabilities(every.company.shape[1], design).size if design.kind == "lottery" else None
    )
    power: dict[int, float] = {}
    brought = np.zeros(4)  # drawn, in the lottery, reached, best reached
    for at in range(most):
        if design.kind == "holdout" and at % hold == 0:
            held = rng.random(held.shape) < design.share
        listed = every.company[at % len(every.company)]
        there = (gone[:, listed] <= at) & (every.probability[at % len(every.company)] > 0)
        order = np.argsort(~there, axis=1, kind="stable")[:, :places]
        company = listed[order]
        probability = np.where(there[rows, order], every.probability[at % len(every.company)][order], 0.0)
        chance, called = _draws(probability, held[rows, company], design, rng)
        paid = rng.random(called.shape) < probability * np.where(called, 1 + effect, 1.0)
        by_lot = (chance > 0) & (chance < 1)
        sums.add(company, probability, np.where(by_lot, chance, np.nan), called, paid)
        # Who would have paid anyway is missing on the lists of then; who paid by the call goes as well.
        by_call = paid & called & (rng.random(called.shape) < effect / (1 + effect))
        gone[rows, company] = np.where(by_call, at + len(every.company), gone[rows, company])
        brought += [
            (called & by_lot).sum() / programmes,
            (by_lot * probability).sum() / programmes,
            (called * probability).sum() / programmes,
            probability[:, : design.capacity].sum() / programmes,
        ]
        if at + 1 == most or _is_looked_at(at + 1):
            power[at + 1] = sums.shown(confidence)
            if at >= _SETTLED and min(list(power.values())[-_SETTLED:]) >= POWER:
                break
    curve = np.interp(np.arange(1, at + 2), list(power), list(power.values()))
    below = np.flatnonzero(curve < POWER)
    shows = min(list(power.values())[-_SETTLED:]) >= POWER and at >= _SETTLED
    lists = (int(below[-1]) + 2 if below.size else 1) if shows else None
    drawn, in_lottery, reached, best_reached = (brought / curve.size).tolist()
    return Waiting(design, lists, drawn, in_lottery, reached, best_reached, tuple(curve.tolist()))


def _draws(
    probability: NDArray[np.float64], held: NDArray[np.bool_], design: Design, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return chances and draws of shape (programmes, n_pool)."""
    if design.kind == "holdout":
        within = (np.cumsum(~held, axis=1) - ~held < design.capacity) & (probability > 0)
        return np.where(within, 1 - design.share, 0.0), within & ~held
    many, chance = (probability > 0).sum(axis=1), np.zeros(probability.shape)
    for there in np.unique(many).tolist():
        chance[many == there, :there] = inclusion_probabilities(there, design)[:there]
    return chance, pivotal(chance, rng.random(chance.shape))


def _is_looked_at(lists: int) -> bool:
    """Return whether programmes are judged after this many lists: after each at first, later every tenth."""
    at = 1
    while at < lists:
        at += max(1, at // 10)
    return at == lists


@dataclass(frozen=True)
class _Sums:
    """Running sums of the programmes, by company.

    Attributes
    ----------
    parts : ndarray of shape (9, n_programmes, n_companies), float64
        Of :func:`ml_sys.outcomes.effect.contributions`.
    arms : ndarray of shape (4, n_programmes), float64
        Number and total weight of the rows called, and the same for those that wait.
    """

    parts: NDArray[np.float64]
    arms: NDArray[np.float64]

    @classmethod
    def of(cls, programmes: int, companies: int) -> _Sums:
        return cls(np.zeros((9, programmes, companies)), np.zeros((4, programmes)))

    def add(
        self,
        company: NDArray[np.intp],
        probability: NDArray[np.float64],
        chance: NDArray[np.float64],
        called: NDArray[np.bool_],
        paid: NDArray[np.bool_],
    ) -> None:
        """Add a list; ``chance`` is NaN for companies that are not drawn by lot."""
        by_lot, programme = ~np.isnan(chance), np.arange(len(company))[:, None]
        every = contributions(paid.astype(np.float64), probability, chance, called)
        for part, one in zip(self.parts, every, strict=True):
            part[programme, company] += np.where(by_lot, one, 0.0)
        for at, arm, weight in ((0, called, 1 / chance), (2, ~called, 1 / (1 - chance))):
            self.arms[at] += (arm & by_lot).sum(axis=1)
            self.arms[at + 1] += np.where(arm & by_lot, weight, 0.0).sum(axis=1)

    def shown(self, confidence: float) -> float:
        """Return how often the interval lies above 0."""
        rows, weighs = self.arms[::2], self.arms[1::2]
        called, waits = np.divide(weighs, rows, out=np.ones_like(weighs), where=rows > 0)
        found = []
        for at in range(0, called.size, _AT_ONCE):
            some = slice(at, at + _AT_ONCE)
            parts, weights = self.parts[:, some], (called[some], waits[some])
            every = parts.sum(axis=2)
            total = effect_of(every, weights)
            lost = total[:, None] - effect_of(
                every[:, :, None] - parts, (weights[0][:, None], weights[1][:, None])
            )
            found.append((total, (lost**2).sum(axis=1), (lost**4).sum(axis=1)))
        total, variance, fourth = (np.concatenate(one) for one in zip(*found, strict=True))
        return _shown(total, variance, fourth, confidence)


def _shown(
    total: NDArray[np.float64],
    variance: NDArray[np.float64],
    fourth: NDArray[np.float64],
    confidence: float,
) -> float:
    """Return how often an interval as of :func:`ml_sys.outcomes.effect.extra_per_list` lies above 0."""
    from scipy.special import stdtrit  # only where a design is played

    freedom = 2 * variance**2 / np.maximum(fourth, np.finfo(float).tiny)
    reach = stdtrit(np.maximum(freedom, 1.0), (1 + confidence) / 2)
    return float((total > reach * np.sqrt(variance)).mean())
