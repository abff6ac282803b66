"""Cool-down: companies called recently, or waiting after an earlier draw, make room for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Why a company comes last, as lists record it.
COOLING, WAITING = "cooling", "waiting"
# Why a company is not on a list: a file takes it out, or it had paid when the list was handed out.
EXCLUDED, PAID_SINCE = "excluded", "paid since"
TAKEN_OUT = frozenset({EXCLUDED, PAID_SINCE})
NEVER_LISTED = int(np.iinfo(np.int32).min)
WEEK_DAYS = 7


def days_of(ids: Any, listed: Mapping[str, int], other: int = NEVER_LISTED) -> NDArray[np.int32]:
    """Return the day on which each id of a `pyarrow.StringArray` was last listed, or ``other``."""
    place = pc.index_in(ids, value_set=pa.array(listed, pa.string())).fill_null(-1).to_numpy()
    days: NDArray[np.int32] = np.array([*listed.values(), other], dtype=np.int32)[place]
    return days


def cooling_down(listed_on: NDArray[np.int32], cutoff: int, weeks: int) -> NDArray[np.bool_]:
    """Return which companies were listed within the weeks before a cutoff.

    A list counts from its own day until ``weeks`` weeks later, so that a company of a weekly list misses the
    next ``weeks - 1``. Lists of the cutoff's own day and of later ones do not count: a day that is scored
    again gives the same list.

    Parameters
    ----------
    listed_on : ndarray of shape (n,), int32
        Day since 1970-01-01 on which each company was last listed before the cutoff, else ``NEVER_LISTED``.
    cutoff : int
        Day since 1970-01-01.
    weeks : int
        0 allows every company to be listed again at once.
    """
    since = cutoff - WEEK_DAYS * weeks
    cooling: NDArray[np.bool_] = (listed_on > since) & (listed_on < cutoff)
    return cooling


def put_last(order: NDArray[np.integer], behind: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Put some companies behind all others, keeping the order within both parts.

    Parameters
    ----------
    order : ndarray of shape (m,), int
        Positions of companies, best first.
    behind : ndarray of shape (n,), bool
        Which companies come last, by position.

    Examples
    --------
    >>> put_last(np.array([1, 2, 0]), np.array([False, True, False])).tolist()
    [2, 0, 1]
    """
    last = behind[order]
    return np.concatenate((order[~last], order[last]))
