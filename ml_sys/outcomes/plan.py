"""How many weekly lists a design needs until it shows an effect, by playing it through before it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.outcomes.effect import POWER
from ml_sys.outcomes.lottery import WEEK_DAYS, inclusion_probabilities, pivotal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.outcomes.lottery import Design

# Five years; who would have to wait longer is told so.
MOST_WEEKS = 260
# Weeks in a row in which the effect has to show often enough, since few programmes are a little luck.
_SETTLED = 3
# Shares of the capacity that are always called, to see what they cost.
_TOPS = (0.0, 0.1, 0.2)


@dataclass(frozen=True)
class Waiting:
    """What a design asks for.

    Attributes
    ----------
    design : Design
    weeks : int or None
        Until the effect shows, four times in five; None beyond ``MOST_WEEKS``.
    drawn : float
        Calls a week that are drawn by lot.
    in_lottery : float
        Conversions a week without any call among the companies that chance decides on.
    reached : float
        Conversions a week without any call among those that are called.
    best_reached : float
        The same if the first of the list were called in their order.
    power : tuple of float
        How often the effect shows after each week.
    """

    design: Design
    weeks: int | None
    drawn: float
    in_lottery: float
    reached: float
    best_reached: float
    power: tuple[float, ...]


@dataclass(frozen=True)
class Pools:
    """The companies that may be called each week, best first.

    Attributes
    ----------
    probability : ndarray of shape (n_weeks, n_pool), float64
        0 where the companies do not suffice.
    company : ndarray of shape (n_weeks, n_pool), int
        Numbered from 0 over all weeks.
    """

    probability: NDArray[np.float64]
    company: NDArray[np.intp]


def pools(probability: NDArray[np.float64], design: Design) -> Pools:
    """Return each week's pool; those wait that were in one lately.

    The lists are gone through twice, and the second time counts: the first weeks of an experiment, in which
    nobody waits yet, are richer than all that follow.

    Parameters
    ----------
    probability : ndarray of shape (n_companies, n_weeks), float64
        Of weekly lists, the oldest first; NaN where a company is not on the list.
    design : Design

    Returns
    -------
    Pools
        For the holdout with some companies more, as it is drawn how deep the list goes.
    """
    companies, weeks = probability.shape
    if design.kind == "holdout":
        wanted = design.capacity / (1 - design.share)
        size = min(companies, int(wanted + 5 * np.sqrt(wanted * design.share) + 1))
    else:
        wanted = size = inclusion_probabilities(companies, design).size
    wait, free = design.wait_days // WEEK_DAYS, np.zeros(companies, dtype=np.int64)
    found, who = np.zeros((weeks, size)), np.zeros((weeks, size), dtype=np.intp)
    for week in range(2 * weeks):
        listed = probability[:, week % weeks]
        standing = np.where((free <= week) & ~np.isnan(listed), listed, -1.0)
        order = np.argsort(-standing, kind="stable")[:size]
        found[week % weeks], who[week % weeks] = np.maximum(standing[order], 0.0), order
        taken = order[: round(wanted)]
        free[taken[standing[taken] >= 0]] = week + wait
    return Pools(found, np.unique(who, return_inverse=True)[1].reshape(who.shape))


def play(
    every: Pools,
    design: Design,
    effect: float,
    *,
    programmes: int,
    confidence: float,
    most_weeks: int = MOST_WEEKS,
) -> Waiting:
    """Play a design through many times and say when its interval leaves out no effect.

    Parameters
    ----------
    every : Pools
        Played in turn, again from the start after the last.
    design : Design
    effect : float
        Of a call, as a share of the probability: 0.5 for half as many again.
    programmes : int
        How often it is played.
    confidence : float
        In (0, 1).
    most_weeks : int, optional
    """
    rng = np.random.default_rng(design.seed)
    by_company = np.zeros((programmes, int(every.company.max()) + 1))
    held = np.zeros(by_company.shape, dtype=bool)
    total, variance, fourth = np.zeros(programmes), np.zeros(programmes), np.zeros(programmes)
    power: list[float] = []
    sums = np.zeros(4)  # drawn, in the lottery, reached, best reached
    for week in range(most_weeks):
        probability, company = (one[week % len(every.company)] for one in (every.probability, every.company))
        if design.kind == "holdout" and week % design.hold_weeks == 0:
            held = rng.random(held.shape) < design.share
        chance, called = _draws(probability, held[:, company], design, rng)
        paid = rng.random(called.shape) < probability * np.where(called, 1 + effect, 1.0)
        by_lot = (chance > 0) & (chance < 1)
        shares = np.zeros(called.shape)
        np.divide((called - chance) * (paid - probability), 1 - chance, out=shares, where=by_lot)
        before = by_company[:, company]
        by_company[:, company] = after = before + shares
        total += shares.sum(axis=1)
        variance += (after**2 - before**2).sum(axis=1)
        fourth += (after**4 - before**4).sum(axis=1)
        power.append(_shown(total, variance, fourth, confidence))
        sums += [
            (called & by_lot).sum() / programmes,
            (by_lot * probability).sum() / programmes,
            (called * probability).sum() / programmes,
            probability[: design.capacity].sum(),
        ]
        if week >= _SETTLED and min(power[-_SETTLED:]) >= POWER:
            break
    weeks = next((at + 1 for at in range(len(power)) if min(power[at : at + _SETTLED]) >= POWER), None)
    drawn, in_lottery, reached, best_reached = (sums / len(power)).tolist()
    return Waiting(design, weeks, drawn, in_lottery, reached, best_reached, tuple(power))


def compare(
    probability: NDArray[np.float64],
    designs: Sequence[Design],
    effect: float,
    *,
    programmes: int,
    confidence: float,
) -> tuple[Waiting, ...]:
    """Return what each design asks for on the same lists; see :func:`pools` and :func:`play`."""
    return tuple(
        play(pools(probability, one), one, effect, programmes=programmes, confidence=confidence)
        for one in designs
    )


def alternatives(design: Design) -> tuple[Design, ...]:
    """Return the designs to hold beside each other: the lottery as set and with a fixed top, and a holdout.

    Parameters
    ----------
    design : Design
        As the settings have it.
    """
    lottery = replace(design, kind="lottery")
    shares = sorted({lottery.certain_share, *_TOPS})
    return (
        *(replace(lottery, certain_share=share) for share in shares),
        replace(design, kind="holdout"),
    )


def _draws(
    probability: NDArray[np.float64], held: NDArray[np.bool_], design: Design, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return chances and draws of shape (programmes, n_pool)."""
    shape = held.shape
    if design.kind == "holdout":
        within = (np.cumsum(~held, axis=1) - ~held < design.capacity) & (probability > 0)
        return np.where(within, 1 - design.share, 0.0), within & ~held
    there = int((probability > 0).sum())
    chance = np.zeros(probability.size)
    chance[:there] = inclusion_probabilities(there, design)[:there]
    return np.broadcast_to(chance, shape), pivotal(chance, rng.random(shape))


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
