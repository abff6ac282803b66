"""Rules for counting events, wherever they come from.

Invariant: every value is a whole number, rounded before anything is added, so the order of events does not
matter. Needs only NumPy and the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data.checking.scalars import AMOUNT_LIMIT, Fault
from ml_sys.form import name_of
from ml_sys.settings.tables import NO_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ml_sys.days import Period
    from ml_sys.form import Form

# Largest sum of a row; larger sums are capped.
SUM_LIMIT = 2**62
# The first Monday after 1970-01-01, which was a Thursday.
_MONDAY = 4


@dataclass(frozen=True)
class Counting:
    """What to count in a table of events, in the order of its measures.

    Attributes
    ----------
    kinds : tuple of str or None
        Kinds with a count of their own; all others share one more count. None if there is only one kind.
    digits : tuple of int
        Decimals to keep of each amount.
    has_users : bool
        Whether distinct users are counted.
    period : Period
        What a row covers.
    """

    kinds: tuple[str, ...] | None
    digits: tuple[int, ...]
    has_users: bool
    period: Period

    @classmethod
    def of(cls, form: Form, table: str, period: Period) -> Counting:
        """Return what a form counts in one of its tables of events."""
        usage = next(one for one in form.tables if one.name == table)
        digits = {one.name: one.digits for one in form.measures}
        return cls(
            usage.kinds if usage.event else None,
            tuple(digits[name] for name in usage.amounts),
            bool(usage.user),
            period,
        )

    @property
    def n_counts(self) -> int:
        """Number of counts of events, which are the first measures."""
        return 1 if self.kinds is None else len(self.kinds) + 1

    @property
    def n_measures(self) -> int:
        """Number of measures."""
        return self.n_counts + len(self.digits) + self.has_users


@dataclass(frozen=True)
class EventRows:
    """n usage rows made from events, sorted by entity and period.

    Attributes
    ----------
    entity : ndarray of shape (n,), int32
        Position in the table of entities.
    stamp : ndarray of shape (n,), int64
        Of the period, in microseconds of local time since 1970-01-01.
    values : ndarray of shape (n, n_measures), int64
        Counts, scaled amounts, distinct users.
    """

    entity: NDArray[np.int32]
    stamp: NDArray[np.int64]
    values: NDArray[np.int64]


def scaled(amounts: NDArray[np.float64], digits: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Scale amounts to whole numbers with this many decimals, rounded half to even.

    Parameters
    ----------
    amounts : ndarray of shape (n,), float64
        NaN for a blank, which adds nothing.

    Returns
    -------
    ndarray of shape (n,), int64
        Zero if there is a fault.
    ndarray of shape (n,), int8
        `Fault` of each.

    Examples
    --------
    >>> scaled(np.array([0.5, 1.5, -1.0, np.nan, np.inf]), 0)
    (array([0, 2, 0, 0, 0]), array([0, 0, 4, 0, 6], dtype=int8))
    """
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.rint(amounts * 10.0**digits)
        faults = np.select(
            [np.isnan(amounts), amounts < 0, ~(whole <= AMOUNT_LIMIT)],
            [Fault.NONE, Fault.NEGATIVE, Fault.TOO_LARGE],
            Fault.NONE,
        ).astype(np.int8)
    return np.where((faults == 0) & ~np.isnan(amounts), whole, 0).astype(np.int64), faults


def stamps_of(days: NDArray[np.int32], period: Period) -> NDArray[np.int32]:
    """Return the stamp, as a day, of the row that each day's events belong to.

    Weeks begin on Monday; periods of several units are counted from 1970 on.

    Examples
    --------
    >>> from ml_sys.days import Period
    >>> stamps_of(np.array([3, 4, 10, 45], dtype=np.int32), Period("week")).tolist()
    [-3, 4, 4, 39]
    >>> stamps_of(np.array([45], dtype=np.int32), Period("month", stamp="end")).tolist()
    [59]
    """
    phase = _MONDAY if period.unit == "week" else 0
    ends = period.ends(period.numbers(days + np.int32(1), phase), phase)
    return period.stamp_of(ends).astype(np.int32)


def choose_kinds(counts: Mapping[str, int], max_kinds: int) -> tuple[str, ...]:
    """Return the kinds that get a count of their own: the most frequent, ties by name.

    A kind whose measure would have the name of an earlier kind or of another measure is left out.

    Examples
    --------
    >>> choose_kinds({"view": 5, "upload": 9, "share": 5, "Upload": 1, "": 40}, 3)
    ('upload', 'share', 'view')
    """
    chosen: dict[str, str] = {}
    for kind in sorted(counts, key=lambda kind: (-counts[kind], kind)):
        if len(chosen) == max_kinds:
            break
        name = name_of(kind)
        if kind and name not in NO_KINDS and name not in chosen:
            chosen[name] = kind
    return tuple(chosen.values())
