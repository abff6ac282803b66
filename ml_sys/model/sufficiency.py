"""When there will be enough conversions to judge a model, at the rate at which they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The rate is that of the last half year, or of all that is covered where this is less.
_LATELY_DAYS = 182
# Two-sided 90 %.
_DEVIATIONS = 1.645
_MOST_DAYS = 20 * 365


@dataclass(frozen=True)
class Sufficiency:
    """How many conversions there are, how many are needed, and when to expect them.

    Attributes
    ----------
    converters : int
        Entities that converted while usage was covered, and so could be learned from.
    needed : int
        As many as a model can be judged with: for learning, and as many again for judging.
    per_week : float
        Lately.
    day : int or None
        On which there will be enough at that rate, in days since 1970-01-01; None where there is enough, or
        where nothing came lately.
    give_or_take_days : int or None
        Half the width of a 90 % interval around that day.
    """

    converters: int
    needed: int
    per_week: float
    day: int | None = None
    give_or_take_days: int | None = None

    @property
    def enough(self) -> bool:
        """Whether a model can be judged."""
        return self.converters >= self.needed


def sufficiency(converted_on: NDArray[np.int32], first: int, as_of: int, at_least: int) -> Sufficiency:
    """Say when there will be enough conversions to learn from and to judge by.

    Parameters
    ----------
    converted_on : ndarray of shape (n,), int32
        Days of conversion since 1970-01-01, of entities that were free before.
    first, as_of : int
        From when on usage is known, and after which nothing is.
    at_least : int
        Converters that a holdout needs; learning is given as many.

    Notes
    -----
    Conversions are taken as a Poisson process. The wait for m of them has the relative variance 1/m, and the
    rate that was seen over n of them adds 1/n.
    """
    needed = 2 * at_least
    inside = converted_on[(converted_on >= first) & (converted_on < as_of)]
    since = max(first, as_of - _LATELY_DAYS)
    lately, days = int((inside >= since).sum()), max(as_of - since, 1)
    found = Sufficiency(int(inside.size), needed, 7 * lately / days)
    missing = needed - found.converters
    if missing <= 0 or not lately:
        return found
    wait = missing * days / lately
    if wait > _MOST_DAYS:
        return found
    around = _DEVIATIONS * wait * np.sqrt(1 / missing + 1 / lately)
    return Sufficiency(
        found.converters, needed, found.per_week, as_of + round(wait), max(1, round(float(around)))
    )
