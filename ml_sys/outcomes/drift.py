"""Measure how far apart two groups of rows are, and whether chance explains it.

Rows of one company are not independent, so permutations move whole companies: those on both sides swap them,
and the others are assigned anew. The number of companies on each side stays the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Bins of numbers for the stability index, and what an empty bin counts as.
_BINS, _EMPTY = 10, 0.5
# Cells (permutations × rows) in memory at a time.
_BLOCK_CELLS = 4_000_000
# Once this many permutations reach the distance found, it is chance and no more are needed.
_ENOUGH = 20


@dataclass(frozen=True)
class Sides:
    """Rows of companies, each either in the reference or in today's data.

    Attributes
    ----------
    company : ndarray of shape (n_rows,), int
        Numbers of companies from 0.
    is_now : ndarray of shape (n_rows,), bool
    """

    company: NDArray[np.intp]
    is_now: NDArray[np.bool_]

    @classmethod
    def of(cls, reference: NDArray[Any], now: NDArray[Any]) -> Sides:
        """Join two sides, given the company id of each row; rows of the reference come first."""
        _, company = np.unique(np.concatenate((reference, now)), return_inverse=True)
        return cls(company.reshape(-1), np.arange(company.size) >= reference.size)

    def take(self, rows: NDArray[np.bool_]) -> Sides:
        """Return some rows."""
        _, company = np.unique(self.company[rows], return_inverse=True)
        return Sides(company.reshape(-1), self.is_now[rows])

    def permuted(self, rng: np.random.Generator, times: int) -> NDArray[np.bool_]:
        """Return permuted sides: ``is_now`` of shape (times, n_rows)."""
        n = int(self.company.max(initial=-1)) + 1
        now = np.bincount(self.company[self.is_now], minlength=n) > 0
        before = np.bincount(self.company[~self.is_now], minlength=n) > 0
        both, one = np.flatnonzero(now & before), np.flatnonzero(now ^ before)
        changes = np.zeros((times, n), dtype=np.bool_)
        changes[:, both] = rng.random((times, both.size)) < 1 / 2
        changes[:, one] = rng.permuted(np.tile(now[one], (times, 1)), axis=1) ^ now[one]
        return changes[:, self.company] ^ self.is_now


class Distance(Protocol):
    """How far apart two sides are: 0 for no difference, at most 1."""

    def __call__(self, is_now: NDArray[np.bool_], /) -> NDArray[np.float64]:
        """Return the distance for each row of ``is_now``, of shape (n, n_rows)."""


class KolmogorovSmirnov:
    """The largest difference between two cumulative distributions; of flags, the difference of their shares.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        No NaN.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: values.size])

    def __call__(self, is_now: NDArray[np.bool_], /) -> NDArray[np.float64]:
        """Return the distance for each row of ``is_now``, of shape (n, n_rows)."""
        n, rows = is_now.shape
        if not rows:
            return np.zeros(n)
        now = np.cumsum(is_now[:, self._order], axis=1, dtype=np.int32)
        total, now = now[:, -1:], now[:, self._ends]
        before = (self._ends + 1).astype(np.int32) - now
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.abs(now / total - before / (rows - total)).max(axis=1)
        return np.nan_to_num(np.asarray(gap, dtype=np.float64))


class JensenShannon:
    """The square root of the Jensen–Shannon divergence to base 2 of two distributions over levels.

    Parameters
    ----------
    levels : ndarray of shape (n_rows,), int
        Numbers of levels from 0.
    """

    def __init__(self, levels: NDArray[np.integer[Any]]) -> None:
        self._is_level = np.eye(int(levels.max(initial=0)) + 1, dtype=np.float32)[levels]

    def __call__(self, is_now: NDArray[np.bool_], /) -> NDArray[np.float64]:
        """Return the distance for each row of ``is_now``, of shape (n, n_rows)."""
        now = (is_now.astype(np.float32) @ self._is_level).astype(np.float64)
        before = self._is_level.sum(axis=0) - now
        if not len(self._is_level):
            return np.zeros(len(is_now))
        p, q = (_over(side, side.sum(axis=1, keepdims=True)) for side in (now, before))
        middle = (p + q) / 2
        apart = (_entropy(middle) - (_entropy(p) + _entropy(q)) / 2).clip(0)
        one_sided = (now.sum(axis=1) == 0) | (before.sum(axis=1) == 0)
        return np.where(one_sided, 0.0, np.sqrt(apart))


def p_value(
    sides: Sides, distance: Distance, *, permutations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the distance of two sides, and its permutation p-value.

    Permutations stop early once many have reached the distance (Besag and Clifford).

    Returns
    -------
    found, p : float
        ``p`` is at least 1 / (permutations + 1).

    References
    ----------
    Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 78 (1991).
    """
    found = float(distance(sides.is_now[None])[0])
    reached = done = 0
    size = max(1, min(permutations, _BLOCK_CELLS // max(1, sides.is_now.size), 5 * _ENOUGH))
    while done < permutations and reached < _ENOUGH:
        more = min(size, permutations - done)
        drawn = distance(sides.permuted(rng, more))
        reached += int((drawn >= found - 1e-12).sum())
        done += more
    return found, (1 + reached) / (1 + done)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjust p-values to control the false discovery rate.

    References
    ----------
    Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).

    Examples
    --------
    >>> [round(one, 3) for one in benjamini_hochberg([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.053, 0.053, 0.5]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    rank = np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(values[order] * values.size / rank).clip(max=1.0)
    found: list[float] = adjusted.tolist()
    return found


def stability_index(reference: NDArray[Any], now: NDArray[Any]) -> float:
    """Return the population stability index, by deciles of the reference for numbers, or by level for texts.

    0 is no change; by convention 0.1 is worth a look and 0.25 is large.

    Parameters
    ----------
    reference, now : ndarray
        Numbers without NaN, or texts.
    """
    stability = Stability(reference)
    stability.add(stability.counted(now))
    return stability.index()


class Stability:
    """The stability index of values that arrive part by part, as counts in bins that add up.

    Parameters
    ----------
    reference : ndarray
        Numbers without NaN, or texts.
    """

    def __init__(self, reference: NDArray[Any]) -> None:
        self._edges: NDArray[Any] | None = None
        if reference.dtype != object and reference.size:
            self._edges = np.unique(np.quantile(reference, np.arange(1, _BINS) / _BINS))
        self._before, self._after = self.counted(reference), Counter[Any]()

    def add(self, now: Counter[Any]) -> None:
        """Add some of today's values, as :meth:`counted` counts them."""
        self._after.update(now)

    def index(self) -> float:
        """Return the index of all values counted so far; see :func:`stability_index`."""
        if not self._before or not self._after:
            return 0.0
        if self._edges is None:
            bins = sorted(self._before.keys() | self._after.keys())
        else:
            bins = list(range(max(*self._before, *self._after) + 1))
        p, q = (np.array([side[one] for one in bins]).clip(_EMPTY) for side in (self._before, self._after))
        p, q = p / p.sum(), q / q.sum()
        return float(((q - p) * np.log(q / p)).sum())

    def counted(self, values: NDArray[Any]) -> Counter[Any]:
        """Count values by bin, or texts."""
        if values.dtype == object:
            return Counter(values.astype(str).tolist())
        if self._edges is None or not values.size:
            return Counter()
        counts = np.bincount(np.searchsorted(self._edges, values, side="left"))
        return Counter({at: int(count) for at, count in enumerate(counts) if count})


def _over(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return shares


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    bits: NDArray[np.float64] = -(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1)
    return bits
