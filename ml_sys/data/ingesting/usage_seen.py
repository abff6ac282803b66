"""Summarise the usage that an ingest took."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.days import DAY_MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ml_sys.data.usage import UsageRows


NEVER_ACTIVE = NEVER_CLOSED
_WORDS = {np.dtype(one).itemsize: one for one in (np.int8, np.int16, np.int32, np.int64)}


@dataclass(frozen=True)
class UsageSeen:
    """How much usage there is, and when.

    Attributes
    ----------
    n_rows : int
    days : (int, int) or None
        First and last stamp, in days since 1970-01-01; None if there are no rows.
    active_from : ndarray of shape (n_companies,), int32
        Day of each company's first row that is not all zero; `NEVER_ACTIVE` if there is none.
    """

    n_rows: int
    days: tuple[int, int] | None
    active_from: NDArray[np.int32]

    @classmethod
    def of(cls, usage: UsageRows, n_companies: int) -> UsageSeen:
        """Summarise rows that are sorted by company and stamp."""
        active = np.flatnonzero(_any(usage.measures))
        company = usage.company[active]
        first = active[np.append(True, company[1:] != company[:-1])] if active.size else active
        active_from = np.full(n_companies, NEVER_ACTIVE, np.int32)
        active_from[usage.company[first]] = usage.stamp[first] // DAY_MICROSECONDS
        days = None
        if len(usage.stamp):
            first_day, last_day = (int(found(usage.stamp)) // DAY_MICROSECONDS for found in (np.min, np.max))
            days = first_day, last_day
        return cls(len(usage.stamp), days, active_from)

    @classmethod
    def joined(cls, parts: Iterable[tuple[NDArray[np.int32], UsageSeen]], n_companies: int) -> UsageSeen:
        """Join parts, each with the positions of its companies among all."""
        n_rows, days, active_from = 0, None, np.full(n_companies, NEVER_ACTIVE, np.int32)
        for members, seen in parts:
            n_rows += seen.n_rows
            active_from[members] = seen.active_from
            known = [one for one in (days, seen.days) if one is not None]
            if known:
                days = min(one[0] for one in known), max(one[1] for one in known)
        return cls(n_rows, days, active_from)


def _any(measures: NDArray[Any]) -> NDArray[Any]:
    """Return for each row a number that is 0 if all its values are."""
    if measures.flags.c_contiguous:  # several narrow values are read as one number
        measures = measures.view(_WORDS[gcd(measures.shape[1] * measures.itemsize, 8)])
    found = np.zeros(len(measures), measures.dtype)
    for one in measures.T:  # much faster than along the rows, which are short
        found |= one
    return found
