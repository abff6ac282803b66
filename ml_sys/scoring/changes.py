"""What changed for a company since the list before: it is new, rose, cooled, or was to be called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NEW, RISING, COOLING, CALLED, STEADY = "new", "rising", "cooling", "called", ""
# From so many times its probability on a company counts as rising, and below one over it as cooling.
_FACTOR = 1.25


@dataclass(frozen=True)
class Earlier:
    """What the list before said of a company."""

    probability: float
    selected: bool


def changes_since(
    ids: NDArray[np.object_], probability: NDArray[np.float64], earlier: Mapping[str, Earlier]
) -> NDArray[np.object_]:
    """Return what changed for each company.

    Parameters
    ----------
    ids : ndarray of shape (n,), object
    probability : ndarray of shape (n,), float64
        Of this list.
    earlier : mapping of str to Earlier
        The list before, by id.

    Returns
    -------
    ndarray of shape (n,), object
        ``CALLED`` if the list before had it to be called; else ``NEW`` if it was not recorded there,
        ``RISING`` or ``COOLING`` if its probability is a quarter higher or a fifth lower, or ``STEADY``.

    Examples
    --------
    >>> before = {"a": Earlier(0.1, True), "b": Earlier(0.1, False), "c": Earlier(0.1, False)}
    >>> changes_since(np.array(["a", "b", "c", "d"]), np.array([0.1, 0.2, 0.05, 0.1]), before).tolist()
    ['called', 'rising', 'cooling', 'new']
    """
    return np.array(
        [_change(earlier.get(name), now) for name, now in zip(ids, probability.tolist(), strict=True)],
        dtype=object,
    )


def _change(then: Earlier | None, now: float) -> str:
    if then is None:
        return NEW
    if then.selected:
        return CALLED
    if now == then.probability:  # of two that are zero, either is as many times the other
        return STEADY
    if now >= _FACTOR * then.probability:
        return RISING
    return COOLING if now * _FACTOR <= then.probability else STEADY
