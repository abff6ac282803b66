"""The stated hazard of a workspace's purchase.

Invariant: the hazard of a week is a function of what is on file, of the sign-up, and of events that were over
`LAG_WEEKS` before that week begins. So `ml_sys.sample.hazard.true_probability` holds exactly at each Monday
for every workspace that had signed up and not bought by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.sample.hazard import LAG_WEEKS
from ml_sys.sample.product.simulation import (
    CORE_KINDS,
    COUNTRIES,
    WEEK_DAYS,
    Log,
    Workspaces,
)
from ml_sys.sample.simulation import NO_VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RECENT_WEEKS, _EARLIER_WEEKS = 4, 12

# Effects on the log-odds of buying in a week.
_BASE = -8.4
_PER_LOG_USERS = 1.3
_PER_LOG_EVENTS = 0.25
_PER_KIND = 0.3
_PER_LOG_GROWTH, _MAX_LOG_GROWTH = 0.7, 1.5
_NEWCOMER, _NEWCOMER_WEEKS = 1.4, 6.0
_PER_SEATS = 0.12
_COUNTRY_EFFECT = dict(
    zip(COUNTRIES, (0.4, -0.5, 0.3, 0.3, -0.3, 0.0, -0.8, 0.3, 0.0, 0.0, 0.1, -0.2), strict=True)
)


def weekly_hazard(ones: Workspaces, log: Log, weeks: int) -> NDArray[np.float64]:
    """Return the probability of buying in each week, given no purchase before it.

    Parameters
    ----------
    log : Log
        What happened before any purchase.

    Returns
    -------
    ndarray of shape (n, weeks + LAG_WEEKS + 1), float64
        Zero up to the week of the sign-up, that one included.
    """
    n = len(ones.signed_up)
    effect = np.zeros((n, weeks + 1 + LAG_WEEKS))
    effect[:, LAG_WEEKS:] = _usage_effect(log, n, weeks)
    age = np.arange(weeks + 1 + LAG_WEEKS) - ones.week[:, None]
    newcomer = np.exp(-np.maximum(age - 1, 0) / _NEWCOMER_WEEKS)
    on_file = np.where(ones.country == NO_VALUE, 0.0, np.array(list(_COUNTRY_EFFECT.values()))[ones.country])
    on_file += _PER_SEATS * np.where(ones.seats == NO_VALUE, 1.0, ones.seats)
    log_odds = _BASE + effect + _NEWCOMER * newcomer + on_file[:, None]
    return np.where(age > 0, 1 / (1 + np.exp(-log_odds)), 0.0)


def _usage_effect(log: Log, n: int, weeks: int) -> NDArray[np.float64]:
    """Return the effect of events before each Monday on the log-odds; (n, weeks + 1)."""
    week = log.day // WEEK_DAYS
    cell = log.workspace * weeks + week
    members = np.unique(np.stack([cell, log.member], axis=1), axis=0)[:, 0]
    users = _running(np.bincount(members, minlength=n * weeks).reshape(n, weeks))
    events = _running(np.bincount(cell, minlength=n * weeks).reshape(n, weeks))
    kinds = np.zeros((n, weeks + 1))
    for kind in range(CORE_KINDS):
        of_kind = _running(np.bincount(cell[log.kind == kind], minlength=n * weeks).reshape(n, weeks))
        kinds += _window(of_kind, 0, _RECENT_WEEKS) > 0
    recent = _window(users, 0, _RECENT_WEEKS) / _RECENT_WEEKS
    earlier = _window(users, _RECENT_WEEKS, _EARLIER_WEEKS) / (_EARLIER_WEEKS - _RECENT_WEEKS)
    growth = np.log((recent + 0.5) / (earlier + 0.5)).clip(-_MAX_LOG_GROWTH, _MAX_LOG_GROWTH)
    return (
        _PER_LOG_USERS * np.log1p(recent)
        + _PER_LOG_EVENTS * np.log1p(_window(events, 0, _RECENT_WEEKS))
        + _PER_KIND * kinds
        + _PER_LOG_GROWTH * growth * (recent > 0)
    )


def _running(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return running sums over weeks, with the sum before the first week in front; (n, weeks + 1)."""
    total = np.zeros((values.shape[0], values.shape[1] + 1), np.int64)
    np.cumsum(values, axis=1, out=total[:, 1:])
    return total


def _window(running: NDArray[np.int64], skip: int, reach: int) -> NDArray[np.int64]:
    """Return sums over the weeks from ``reach`` to ``skip`` weeks before each Monday; (n, weeks + 1)."""
    monday = np.arange(running.shape[1])
    difference: NDArray[np.int64] = (
        running[:, np.maximum(monday - skip, 0)] - running[:, np.maximum(monday - reach, 0)]
    )
    return difference
