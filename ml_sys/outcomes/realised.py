"""What came: conversions against their usual rate, and lists against what they promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.outcomes.counts import count_p_value, expected_interval, rate_p_value
from ml_sys.outcomes.monitoring import Check, Limits, Matured
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Windows before the latest one that tell how many conversions are usual.
_BEFORE = 6
_CONFIDENCE = 0.95
# Added to both counts, so that none at all is a finite factor.
_HALF = 0.5


def rate_check(
    closed: NDArray[np.int32], as_of: int, since: int, horizon_days: int, limits: Limits
) -> list[Check]:
    """Check that companies go on converting at the rate of the windows before.

    Parameters
    ----------
    closed : ndarray of shape (n,), int32
        Days on which companies became customers.
    as_of, since : int
        The last day that is known, and the first one.

    Returns
    -------
    list of Check
        None where there is no window before.
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
    """Put what a list promised beside what came of it."""
    low, high = expected_interval(probability, _CONFIDENCE)
    return Matured(
        date_of(cutoff), probability.size, float(probability.sum()), low, high, int(converted.sum())
    )


def promise_check(
    name: str, probabilities: Sequence[NDArray[np.float64]], lists: Sequence[Matured], limits: Limits
) -> list[Check]:
    """Check that lists brought as many conversions as they promised, all of them together.

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
    """Check how old the data are that the version has learnt from."""
    limit = float(limits.max_model_days)
    return Check("age", "days since the model's data end", float(days), 0.0, "days", float(days), limit)


def _held_against(name: str, came: int, expected: float, p: float, limits: Limits) -> Check:
    ratio = (came + _HALF) / (expected + _HALF)
    effect = max(ratio, 1 / ratio)
    return Check(
        "outcomes", name, float(came), expected, "conversions", effect, limits.max_conversion_factor, p
    )
