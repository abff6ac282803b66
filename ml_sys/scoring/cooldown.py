"""A company that was listed lately makes room for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER_LISTED = int(np.iinfo(np.int32).min)
WEEK_DAYS = 7


def cooling_down(listed_on: NDArray[np.int32], cutoff: int, weeks: int) -> NDArray[np.bool_]:
    """Say which companies were listed within the weeks before a cutoff.

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
        0 lets every company be listed again at once.
    """
    since = cutoff - WEEK_DAYS * weeks
    cooling: NDArray[np.bool_] = (listed_on > since) & (listed_on < cutoff)
    return cooling


def cooled_order(
    order: NDArray[np.integer], listed_on: NDArray[np.int32], cutoff: int, weeks: int
) -> NDArray[np.integer]:
    """Put companies that cool down behind all others; either part keeps its order.

    Parameters
    ----------
    order : ndarray of shape (m,), int
        Positions of companies, best first.
    listed_on, cutoff, weeks
        See :func:`cooling_down`; ``listed_on`` is looked up by position.

    Examples
    --------
    >>> listed_on = np.array([NEVER_LISTED, 93, 79], dtype=np.int32)
    >>> cooled_order(np.array([1, 2, 0]), listed_on, cutoff=100, weeks=3).tolist()
    [2, 0, 1]
    """
    cooling = cooling_down(listed_on, cutoff, weeks)[order]
    return np.concatenate((order[~cooling], order[cooling]))
