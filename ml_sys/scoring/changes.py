"""Classify companies by what changed since the list before: new, rising, cooling, or to be called then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NEW, RISING, COOLING, CALLED, STEADY = "new", "rising", "cooling", "called", ""
# A company is rising from this multiple of its former probability on, and cooling below its inverse.
_FACTOR = 1.25


@dataclass(frozen=True)
class Earlier:
    """A company on the list before."""

    probability: float
    selected: bool


def changes_since(
    ids: Any, probability: NDArray[np.float64], earlier: Mapping[str, Earlier]
) -> NDArray[np.object_]:
    """Return what changed for each company.

    Parameters
    ----------
    ids : pyarrow.StringArray of length n
    probability : ndarray of shape (n,), float64
        Of this list.
    earlier : mapping of str to Earlier
        The list before, by id.

    Returns
    -------
    ndarray of shape (n,), object
        ``CALLED`` if it was to be called on the list before; else ``NEW`` if it was not recorded there,
        ``RISING`` or ``COOLING`` if its probability is a quarter higher or a fifth lower, or ``STEADY``.

    Examples
    --------
    >>> before = {"a": Earlier(0.1, True), "b": Earlier(0.1, False), "c": Earlier(0.1, False)}
    >>> changes_since(pa.array(["a", "b", "c", "d"]), np.array([0.1, 0.2, 0.05, 0.1]), before).tolist()
    ['called', 'rising', 'cooling', 'new']
    """
    there = np.flatnonzero(pc.is_in(ids, pa.array(earlier, pa.string())).to_numpy(zero_copy_only=False))
    changes = np.full(len(ids), NEW, dtype=object)
    names = ids.take(pa.array(there)).to_pylist()
    changes[there] = [
        _change(earlier[name], now) for name, now in zip(names, probability[there].tolist(), strict=True)
    ]
    return changes


def _change(then: Earlier, now: float) -> str:
    if then.selected:
        return CALLED
    if now == then.probability:  # also if both are zero
        return STEADY
    if now >= _FACTOR * then.probability:
        return RISING
    return COOLING if now * _FACTOR <= then.probability else STEADY
