"""Check outcomes: conversions against their usual rate, and lists against what they promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.outcomes.counts import count_p_value, expected_interval, rate_p_value
from ml_sys.outcomes.monitoring import Check, Limits, Matured
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Windows before the latest one that show how many conversions are usual.
_BEFORE = 6
_CONFIDENCE = 0.95
# Added to both counts, so that zero conversions give a finite factor.
_HALF = 0.5


def rate_check(
    closed: NDArray[np.int32], as_of: int, since: int, horizon_days: int, limits: Limits
) -> list[Check]:
    """Check that companies still convert at the rate of the windows before.

    Parameters
    ----------
    closed : ndarray of shape (n,), int32
        Days on which companies became customers.
    as_of, since : int
        The last and the first known day.

    Returns
    -------
    list of Check
        Empty if there is no earlier window.
    """
    start = as_of - horizon_days
    days = min(_BEFORE * horizon_days, start - since)
    if days < horizon_days:
        return []
    now = int(((closed >= start) & (closed < as_of)).sum())
    before = int(((closed >= start - days) & (closed < start)).sum())
    p = rate_p_value(now, before, horizon_days / (horizon_days + days))
    name = f"conversions of the last {horizon_days} days"
    return [_held_against(name, now, before * horizon_days / days, p, limits)]


def matured(cutoff: int, probability: NDArray[np.float64], converted: NDArray[np.bool_]) -> Matured:
    """Compare what a list promised with what came of it."""
    low, high = expected_interval(probability, _CONFIDENCE)
    return Matured(
        date_of(cutoff), probability.size, float(probability.sum()), low, high, int(converted.sum())
    )


def promise_check(
    name: str, probabilities: Sequence[NDArray[np.float64]], lists: Sequence[Matured], limits: Limits
) -> list[Check]:
    """Check that all lists together brought as many conversions as they promised.

    Parameters
    ----------
    name : str
        Of the check.
    probabilities : sequence of ndarray
        Of each list.
    """
    if not lists:
        return []
    came = sum(one.came for one in lists)
    p = count_p_value(np.concatenate(list(probabilities)), came)
    expected = sum(one.expected for one in lists)
    return [_held_against(name, came, expected, p, limits)]


def age_check(days: int, limits: Limits) -> Check:
    """Check the age of the version's training data."""
    limit = float(limits.max_model_days)
    return Check("age", "days since the model's data end", float(days), 0.0, "days", float(days), limit)


def _held_against(name: str, came: int, expected: float, p: float, limits: Limits) -> Check:
    ratio = (came + _HALF) / (expected + _HALF)
    effect = max(ratio, 1 / ratio)
    return Check(
        "outcomes", name, float(came), expected, "conversions", effect, limits.max_conversion_factor, p
    )
