"""Draw whom to call with known probabilities: the lottery at the margin, and the held-out share.

Invariants: probabilities are fixed before anyone is drawn, and sum to the number of calls. The draw depends
on the design, the list's id and the companies' ids and probabilities, never on the order of rows. Every
company of a pool waits afterwards, so that no outcome window contains a second call and no pool depends on
earlier draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Kind = Literal["none", "lottery", "holdout"]
# Always called; called by lot; left waiting by lot; beyond the pool.
CERTAIN, DRAWN, CONTROL, BEYOND = "certain", "drawn", "control", ""
NO_WAIT = -1
WEEK_DAYS = 7
# How far probabilities fall over the lottery, as a share of the room around their mean. In a pool of twice
# the calls they fall from four fifths to one fifth, so that no company weighs much more than another.
_FALL = 0.6
_WHOLE = 1e-9  # what sums of a hundred probabilities are off a whole number by rounding, and more


@dataclass(frozen=True)
class Design:
    """The rule by which companies are chosen for a call.

    Attributes
    ----------
    kind : {"none", "lottery", "holdout"}
    capacity : int
        Calls a list.
    seed : int
    horizon_days : int
        Days within which a call can show.
    pool : float
        For the lottery: companies that take part, as a multiple of the capacity.
    certain_share : float
        For the lottery: share of the capacity that is always called, from the top.
    wait_weeks : int
        Weeks for which a company of a pool stays out of other pools; 0 takes the horizon.
    share : float
        For the holdout: share of the companies that are not called.
    hold_weeks : int
        For the holdout: weeks after which other companies are held out instead.
    """

    kind: Kind
    capacity: int
    seed: int
    horizon_days: int
    pool: float = 2.0
    certain_share: float = 0.0
    wait_weeks: int = 0
    share: float = 0.1
    hold_weeks: int = 26

    @property
    def wait_days(self) -> int:
        """Days for which a company of a pool waits, in whole weeks."""
        return WEEK_DAYS * (self.wait_weeks or math.ceil(self.horizon_days / WEEK_DAYS))


@dataclass(frozen=True)
class Drawn:
    """Who is called, with what probability, and who waits; in the order of the ids.

    Attributes
    ----------
    selected : ndarray of shape (n,), bool
    inclusion_probability : ndarray of shape (n,), float64
        0 beyond the pool, 1 for those always called.
    group : ndarray of shape (n,), object
        ``CERTAIN``, ``DRAWN``, ``CONTROL`` or ``BEYOND``.
    waits_until : ndarray of shape (n,), int32
        Day before which a company is in no other pool; ``NO_WAIT`` if it need not wait.
    """

    selected: NDArray[np.bool_]
    inclusion_probability: NDArray[np.float64]
    group: NDArray[np.object_]
    waits_until: NDArray[np.int32]


def draw(
    ids: Sequence[str], probability: NDArray[np.float64], design: Design, *, list_id: str, cutoff: int
) -> Drawn:
    """Draw whom to call from the companies of a list.

    Parameters
    ----------
    ids : sequence of str
        Distinct; without companies that wait, cool down or are excluded.
    probability : ndarray of shape (n,), float64
        Of converting; ties are ranked by the company's hash.
    design : Design
    list_id : str
        Fixed before the draw.
    cutoff : int
        Day since 1970-01-01.
    """
    lots = np.array([_lot(design.seed, list_id, name) for name in ids])
    order = np.lexsort((lots, -probability))
    inclusion, selected = np.zeros(len(ids)), np.zeros(len(ids), dtype=bool)
    if design.kind == "holdout":
        held = np.array([_is_held(name, design, cutoff) for name in ids], dtype=bool)[order]
        within = np.cumsum(~held) - ~held < design.capacity
        inclusion[order[within]] = 1 - design.share
        selected[order[within & ~held]] = True
    else:
        chance = inclusion_probabilities(len(ids), design)
        pool = order[: chance.size]
        inclusion[pool] = chance
        selected[pool] = pivotal(chance, lots[pool])
    group = np.full(len(ids), BEYOND, dtype=object)
    waits_until = np.full(len(ids), NO_WAIT, dtype=np.int32)
    if design.kind != "none":
        group[inclusion == 1] = CERTAIN
        by_lot = in_lottery(inclusion)
        group[by_lot & selected], group[by_lot & ~selected] = DRAWN, CONTROL
        waits_until[inclusion > 0] = cutoff + design.wait_days
    return Drawn(selected, inclusion, group, waits_until)


def in_lottery(inclusion: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Flag the companies that chance decides on: only they show what a call does."""
    by_lot: NDArray[np.bool_] = (inclusion > 0) & (inclusion < 1)
    return by_lot


def inclusion_probabilities(companies: int, design: Design) -> NDArray[np.float64]:
    """Return the probability of being called by rank, best first.

    It is 1 for the first ``certain_share`` of the capacity, then falls in equal steps to the end of the pool.
    The sum is the capacity, or the number of companies if there are fewer.

    Parameters
    ----------
    companies : int
    design : Design
        A lottery, or ``none``.

    Returns
    -------
    ndarray of shape (n_pool,), float64

    Examples
    --------
    >>> design = Design("lottery", 4, 7, 30, pool=1.5, certain_share=0.25)
    >>> inclusion_probabilities(9, design).round(2).tolist()
    [1.0, 0.79, 0.7, 0.6, 0.5, 0.41]
    """
    pooled = round(design.pool * design.capacity) if design.kind == "lottery" else design.capacity
    pooled = min(companies, pooled)
    certain = min(int(design.certain_share * design.capacity), pooled)
    places, by_lot = design.capacity - certain, pooled - certain
    if places >= by_lot:
        return np.ones(pooled)
    mean = places / by_lot
    fall = _FALL * min(mean, 1 - mean) * (1 - (2 * np.arange(by_lot) + 1) / by_lot)
    return np.concatenate((np.ones(certain), mean + fall))


def pivotal(chance: NDArray[np.float64], lots: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Draw samples of fixed size in which each unit has exactly its stated probability.

    Neighbours compete for their joint probability one after the other, so that every stretch of the ranking
    is called about as often as its probabilities say.

    Parameters
    ----------
    chance : ndarray of shape (n,) or (..., n), float64
        In [0, 1], with a whole sum; in ranked order.
    lots : ndarray of shape (..., n), float64
        Uniform in [0, 1); the last one is not used.

    Returns
    -------
    ndarray of shape (..., n), bool

    References
    ----------
    Deville and Tillé, "Unequal probability sampling without replacement through a splitting method",
    Biometrika 85 (1998); Chauvet, "On a characterization of ordered pivotal sampling", Bernoulli 18 (2012).
    """
    shape = np.broadcast_shapes(chance.shape, lots.shape)
    if not shape[-1]:
        return np.zeros(shape, dtype=bool)
    units = shape[-1]
    chances = np.broadcast_to(chance, shape).reshape(-1, units)
    all_lots = np.broadcast_to(lots, shape).reshape(-1, units)
    rows = np.arange(len(chances))
    selected = np.zeros(chances.shape, dtype=bool)
    holder, held = np.zeros(len(chances), dtype=np.intp), chances[:, 0].copy()
    for at in range(1, units):
        rival, lot = chances[:, at], all_lots[:, at - 1]
        both = held + rival
        settles = both >= 1 - _WHOLE  # one of the two is called and the other goes on; else one drops out
        room = np.maximum(2 - both, _WHOLE)
        stays = np.where(settles, lot < (1 - rival) / room, lot * np.maximum(both, _WHOLE) < held)
        winner = np.where(stays, holder, at)
        selected[rows[settles], winner[settles]] = True
        holder = np.where(stays ^ settles, holder, at)
        held = np.where(settles, np.maximum(both - 1, 0.0), both)
    selected[rows, holder] |= held > 1 / 2
    return selected.reshape(shape)


def _lot(seed: int, list_id: str, name: str) -> float:
    """Return a number in [0, 1) that depends on seed, list and company."""
    return _uniform(f"{seed}\n{list_id}\n{name}")


def _is_held(name: str, design: Design, cutoff: int) -> bool:
    """Return whether a company is held out in the weeks that contain this day."""
    stretch = cutoff // (WEEK_DAYS * design.hold_weeks)
    return _uniform(f"{design.seed}\nholdout {stretch}\n{name}") < design.share


def _uniform(text: str) -> float:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53
