"""The stated hazard of paying, and the true probability that follows from it.

Invariant: the hazard of week w is a function of the firmographics and of usage complete `LAG_WEEKS` before
that week begins (deciding to buy takes a month). The 30 days after a Monday c reach into the fifth week,
whose hazard rests on usage complete by c; so every hazard in the window is known at c, and

    P(pay in [c, c + 30 d) | known at c, not paid yet) = 1 - prod_{j<4} (1 - h[c+j]) * (1 - s * h[c+4])

holds exactly, with s the share of a week's purchases made on its first two days. Nothing that is known at c
and absent from the formula can improve on it: this is the best reachable probability, not an approximation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.sample.simulation import INDUSTRIES, NEVER, NO_VALUE, UNRANKED, Firms, SimulatedUsage

if TYPE_CHECKING:
    from numpy.typing import NDArray

HORIZON_DAYS = 30
LAG_WEEKS = 4
WEEKDAY_SHARES = np.array([0.19, 0.19, 0.19, 0.19, 0.18, 0.03, 0.03])  # of purchases, Monday first

_FULL_WEEKS, _REST_DAYS = divmod(HORIZON_DAYS, 7)
_RECENT_WEEKS, _EARLIER_WEEKS = 4, 12

# Effects on the log-odds of paying in a week.
_UNSEEN, _SEEN = -8.7, -9.75
_PER_LOG_USERS, _MAX_USERS = 1.7, 40.0
_PER_LOG_GROWTH, _MAX_LOG_GROWTH = 1.0, 1.5
_PER_OBJECT = 0.4
_PER_LOG_PACE = 0.25
_NEWCOMER, _NEWCOMER_WEEKS = 1.2, 8.0
_RANKED = 1.1
_EMPLOYEES = np.array([-1.3, -0.3, 0.3, 0.7, 0.7, 0.5, 0.4, -0.8, -1.0])
_INDUSTRY_WORDS = {"SOFTWARE": 0.4, "SAAS": 0.4, "MARKETING": 0.3, "EDUCATION": -0.5, "PROFIT": -0.5}


def weekly_hazard(usage: SimulatedUsage, firms: Firms) -> NDArray[np.float64]:
    """Return the probability of paying in each week, given no payment before it.

    Parameters
    ----------
    usage : SimulatedUsage
        Usage before any purchase, (n, w).
    firms : Firms
        What is on file of a prospect; a blank has no effect.

    Returns
    -------
    ndarray of shape (n, w + LAG_WEEKS + 1), float64
        Column j is week j of the log; the last columns are the weeks after it, as far as they are settled.
    """
    n, weeks = usage.present.shape
    hazard = np.empty((n, weeks + 1 + LAG_WEEKS))
    firm = firmographic_effect(firms)[:, None]
    hazard[:, :LAG_WEEKS] = _sigmoid(_UNSEEN + firm)
    hazard[:, LAG_WEEKS:] = _sigmoid(usage_effect(usage) + firm)
    return hazard


def true_probability(hazard: NDArray[np.float64], week: int) -> NDArray[np.float64]:
    """Return P(pay within 30 days of the Monday that begins ``week`` | not paid before).

    Parameters
    ----------
    hazard : ndarray of shape (n, w + LAG_WEEKS + 1), float64
    week : int
        0 to w.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    full = hazard[:, week : week + _FULL_WEEKS]
    rest = WEEKDAY_SHARES[:_REST_DAYS].sum() * hazard[:, week + _FULL_WEEKS]
    survival: NDArray[np.float64] = np.prod(1 - full, axis=1) * (1 - rest)
    return 1 - survival


def draw_purchases(
    rng: np.random.Generator, hazard: NDArray[np.float64], weeks: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the week of each company's purchase, and its day from the log's start.

    Returns
    -------
    week, day : ndarray of shape (n,), int64
        Week NEVER, and a day in it, for no purchase within ``weeks``.
    """
    n = len(hazard)
    spent = np.cumsum(-np.log1p(-hazard[:, :weeks]), axis=1)
    patience = rng.exponential(size=n)
    week = (spent < patience[:, None]).sum(axis=1)
    week = np.where(week < weeks, week, NEVER)
    return week, 7 * week + rng.choice(7, size=n, p=WEEKDAY_SHARES)


def firmographic_effect(firms: Firms) -> NDArray[np.float64]:
    """Return the effect of the firmographics on the log-odds, shape (n,)."""
    effect = np.where(firms.employees == NO_VALUE, 0.0, _EMPLOYEES[firms.employees])
    known_rank = firms.rank != NO_VALUE
    effect += np.where(known_rank, np.where(firms.rank == UNRANKED, -_RANKED / 2, _RANKED), 0.0)
    of_industry = np.array(
        [sum(value for word, value in _INDUSTRY_WORDS.items() if word in text.upper()) for text in INDUSTRIES]
    )
    effect += np.where(firms.industry == NO_VALUE, 0.0, of_industry[firms.industry])
    return effect


def usage_effect(usage: SimulatedUsage) -> NDArray[np.float32]:
    """Return the effect of usage complete by each Monday on the log-odds, shape (n, w + 1)."""
    users = _running(usage.users.sum(axis=2))
    recent = _window(users, 0, _RECENT_WEEKS)
    earlier = _window(users, _RECENT_WEEKS, _EARLIER_WEEKS)
    pace = _window(_running(usage.actions.sum(axis=2)), 0, _RECENT_WEEKS) / np.maximum(recent, 1)
    objects = sum(
        (_window(_running(usage.users[:, :, k]), 0, _RECENT_WEEKS) > 0).astype(np.float32)
        for k in range(usage.users.shape[2])
    )
    recent = recent / np.float32(_RECENT_WEEKS)
    earlier = earlier / np.float32(_EARLIER_WEEKS - _RECENT_WEEKS)
    growth = np.log((recent + 0.5) / (earlier + 0.5)).clip(-_MAX_LOG_GROWTH, _MAX_LOG_GROWTH)

    rows = _running(usage.present)
    seen = rows > 0
    first_seen = np.argmax(seen, axis=1)
    tenure = np.arange(seen.shape[1]) - first_seen[:, None]
    newcomer = np.exp(-np.maximum(tenure, 0) / np.float32(_NEWCOMER_WEEKS))
    effect = (
        _SEEN
        + _PER_LOG_USERS * np.log1p(recent.clip(0, _MAX_USERS))
        + _PER_LOG_GROWTH * growth * (recent > 0)
        + _PER_OBJECT * objects
        + _PER_LOG_PACE * np.log1p(pace)
        + _NEWCOMER * newcomer
    )
    result: NDArray[np.float32] = np.where(seen, effect, _UNSEEN).astype(np.float32)
    return result


def _running(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return running sums over weeks, with the sum before the first week in front; (n, w + 1)."""
    total = np.zeros((values.shape[0], values.shape[1] + 1), dtype=np.float32)
    np.cumsum(values, axis=1, dtype=np.float32, out=total[:, 1:])
    return total


def _window(running: NDArray[np.float32], skip: int, reach: int) -> NDArray[np.float32]:
    """Return sums over the weeks from ``reach`` to ``skip`` weeks before each Monday; (n, w + 1)."""
    monday = np.arange(running.shape[1])
    difference: NDArray[np.float32] = (
        running[:, np.maximum(monday - skip, 0)] - running[:, np.maximum(monday - reach, 0)]
    )
    return difference


def _sigmoid(log_odds: NDArray[np.floating]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-log_odds.astype(np.float64)))
    return probability
