"""Nearest rows for SMOTENC, found in blocks of float32 products and settled in float64.

The interface is that of scikit-learn's `NearestNeighbors`, which imbalanced-learn takes as ``k_neighbors``.
Products only propose candidates. What their rounding may have mistaken is looked up again.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from ml_sys.kernel import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BLOCK = 2048
# Candidates beyond the neighbours wanted, so that rounding hardly ever leaves one out.
_SPARE = 8
# Rows whose distances to all others are held at a time where rounding or ties leave a doubt, in numbers.
_HELD = 2**24
_ROUNDING = {np.float32: float(np.finfo(np.float32).eps), np.float64: float(np.finfo(np.float64).eps)}


class NearestRows(NearestNeighbors):
    """Nearest rows among those fitted, as scikit-learn finds them by brute force, but faster.

    That holds for sparse float32. Rows whose neighbours lie so close to each other that rounding decides, as
    equal rows do, are given to scikit-learn's own distances and order, so that even ties come out alike.

    Parameters
    ----------
    n_neighbors : int
        Neighbours of a row, itself counted.
    """

    def __init__(self, n_neighbors: int = 5) -> None:
        super().__init__(n_neighbors=n_neighbors, algorithm="brute")

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]] | NDArray[np.intp]:
        """Return the nearest rows of each fitted row, itself included, nearest first."""
        if return_distance or not hasattr(X, "toarray") or X.dtype != np.float32:
            return super().kneighbors(X, n_neighbors, return_distance)  # type: ignore[no-any-return]  # untyped
        count = n_neighbors or self.n_neighbors
        rows = X.toarray()
        # One more than wanted: whether the last one is ahead of the next has to be certain.
        found, doubtful = _nearest_groups(rows, np.arange(len(rows) + 1), min(count, len(rows) - 1))
        neighbours = np.column_stack([np.arange(len(rows)), found.row[:, : count - 1]])
        squared = np.column_stack([np.zeros(len(rows)), found.squared])
        norm = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)[:, None]
        # Of the float32 that scikit-learn rounds to, and of the float64 that it adds up in.
        margin = 2 * _ROUNDING[np.float32] * squared[:, 1:]
        margin += 8 * rows.shape[1] * _ROUNDING[np.float64] * (norm + squared[:, 1:])
        doubtful |= (np.diff(squared, axis=1) <= margin).any(axis=1)
        for some in _parts(doubtful, len(rows)):
            distances = euclidean_distances(X[some], X, squared=True)
            distances[np.arange(some.size), some] = 0
            nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
            order = np.argsort(np.take_along_axis(distances, nearest, axis=1))
            neighbours[some] = np.take_along_axis(nearest, order, axis=1)
        self.neighbours_ = neighbours
        return neighbours


class OtherCompanies(NearestNeighbors):
    """Nearest neighbours among other companies' rows, one per company.

    A row's own company is itself at another cutoff: between the two nothing new is to be drawn. Among
    companies as near as each other the lower number comes first, among rows of one company the one of
    smaller values.

    Parameters
    ----------
    company : ndarray of shape (n_rows,), int
        Company of each row that is fitted, numbered from 0 in the order of their first rows.
    n_neighbors : int
        Neighbours of a row, itself counted; at most as many as there are companies.
    metric : str
        Distance between rows; ``"precomputed"`` where distances are given in place of rows.
    """

    def __init__(self, company: NDArray[np.intp], n_neighbors: int = 5, metric: str = "euclidean") -> None:
        super().__init__(n_neighbors=n_neighbors, metric=metric, algorithm="brute")
        self.company = company

    def fit(self, X: Any, y: None = None) -> OtherCompanies:
        """Keep the rows that neighbours are looked for among."""
        super().fit(X, y)
        self.fitted_ = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        return self

    def kneighbors(
        self,
        X: Any = None,  # noqa: ARG002  # the interface of NearestNeighbors
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]] | NDArray[np.intp]:
        """Return each fitted row itself and its nearest rows of other companies, nearest first.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns), optional
            The rows that were fitted; neighbours of others are not defined.
        n_neighbors : int, optional
            In place of the parameter.

        Returns
        -------
        distances : ndarray of shape (n_rows, n_neighbors), float64
            Where asked for.
        rows : ndarray of shape (n_rows, n_neighbors), int64
        """
        others = (n_neighbors or self.n_neighbors) - 1
        itself = np.arange(self.company.size)[:, None]
        if self.metric == "precomputed":
            rows = np.array([self._nearest(row, others) for row in itself[:, 0]], dtype=np.intp)
            distances = np.take_along_axis(self.fitted_, rows, axis=1)
        else:
            rows, distances = self._nearest_by_rows(others)
        self.neighbours_ = neighbours = np.hstack([itself, rows])
        return (np.hstack([np.zeros(itself.shape), distances]), neighbours) if return_distance else neighbours

    def _nearest_by_rows(self, others: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the nearest rows of the nearest other companies, and their distances."""
        # Those of a company lie together, each once: a converter of few weeks has each of them many times.
        named = np.column_stack([self.company, self.fitted_])
        _, first, which = np.unique(named, axis=0, return_index=True, return_inverse=True)
        starts = np.flatnonzero(np.diff(self.company[first], prepend=-1, append=-1))
        found = _settled(self.fitted_[first], starts, others)
        return first[found.row][which], np.sqrt(found.squared)[which]

    def _nearest(self, row: int, others: int) -> NDArray[np.intp]:
        """Return the nearest rows of the nearest other companies by distances that are given."""
        nearest = np.argsort(self.fitted_[row], kind="stable")
        nearest = nearest[self.company[nearest] != self.company[row]]
        first = np.unique(self.company[nearest], return_index=True)[1]
        chosen: NDArray[np.intp] = nearest[np.sort(first)[:others]]
        return chosen


class _Found:
    """Nearest row of each of the nearest groups, and how far it is.

    Attributes
    ----------
    row : ndarray of shape (n_rows, n_groups), int64
    squared : ndarray of shape (n_rows, n_groups), float64
        Squared distances, ascending.
    """

    def __init__(self, n_rows: int, groups: int) -> None:
        self.row = np.empty((n_rows, groups), dtype=np.intp)
        self.squared = np.empty((n_rows, groups))

    def settle(self, rows: NDArray[Any], starts: NDArray[np.intp], which: Any, candidates: Any) -> None:
        """Choose among candidates, groups in any order, by distances in float64."""
        candidates = np.sort(candidates, axis=1)
        near = np.empty(candidates.shape, dtype=np.intp)
        squared = np.empty(candidates.shape)
        _measure(np.ascontiguousarray(rows, dtype=np.float64), starts, which, candidates, near, squared)
        order = np.argsort(squared, axis=1, kind="stable")[:, : self.row.shape[1]]
        self.row[which] = np.take_along_axis(near, order, axis=1)
        self.squared[which] = np.take_along_axis(squared, order, axis=1)


def _settled(rows: NDArray[Any], starts: NDArray[np.intp], wanted: int) -> _Found:
    """Find the nearest row of each of the nearest other groups; see `_nearest_groups`."""
    found, doubtful = _nearest_groups(rows, starts, wanted)
    group = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    every = np.arange(starts.size - 1, dtype=np.int32)
    for some in _parts(doubtful, every.size):
        others = np.broadcast_to(every, (some.size, every.size))
        found.settle(rows, starts, some, others[others != group[some, None]].reshape(some.size, -1))
    return found


def _nearest_groups(
    rows: NDArray[Any], starts: NDArray[np.intp], wanted: int
) -> tuple[_Found, NDArray[np.bool_]]:
    """Find the nearest row of each of the nearest other groups, and say for which rows that is in doubt.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns), float32 or float64
        Those of a group lie together.
    starts : ndarray of shape (n_groups + 1,), int
        Where each group begins, and where the last one ends.
    wanted : int
        Groups wanted for each row, fewer than there are.
    """
    n_rows, n_groups = len(rows), starts.size - 1
    group = np.repeat(np.arange(n_groups, dtype=np.int32), np.diff(starts))
    count = min(wanted + _SPARE, n_groups - 1)
    norm = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    candidates, least = _proposed(rows.astype(np.float32), norm.astype(np.float32), group, count)
    found = _Found(n_rows, wanted)
    found.settle(rows, starts, np.arange(n_rows), candidates)
    if count == n_groups - 1:
        return found, np.zeros(n_rows, dtype=np.bool_)
    # All others are at least this far, but for the rounding of products with rows as near as the last one.
    last = found.squared[:, -1]
    rounding = (2 * rows.shape[1] + 16) * _ROUNDING[np.float32] * (np.sqrt(norm) + np.sqrt(last)) ** 2
    return found, least + norm - rounding <= last


def _parts(chosen: NDArray[np.bool_], width: int) -> Iterator[NDArray[np.intp]]:
    rows, step = np.flatnonzero(chosen), max(1, _HELD // width)
    return (rows[at : at + step] for at in range(0, rows.size, step))


def _proposed(
    rows: NDArray[np.float32], norm: NDArray[np.float32], group: NDArray[np.int32], count: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the groups proposed for each row, and how far all others are at least, less its norm."""
    distance = np.full((len(rows), count), np.inf, dtype=np.float32)
    groups = np.full((len(rows), count), -1, dtype=np.int32)
    parts = [slice(at, at + _BLOCK) for at in range(0, len(rows), _BLOCK)]
    for one, other in itertools.product(parts, parts):
        products = rows[one] @ rows[other].T
        _propose(products, norm[other], group[one], group[other], distance[one], groups[one])
    return groups, distance[:, -1].astype(np.float64)


def _propose_types(numba: Any) -> Any:
    real, whole = numba.float32, numba.int32
    return numba.void(
        real[:, ::1], real[::1], whole[::1], whole[::1], real[:, ::1], whole[:, ::1]
    )  # fmt: skip


@kernel(_propose_types)
def _propose(products, norm, group, other, distance, groups):  # type: ignore[no-untyped-def]  # numba's types
    """Keep the nearest groups of each row, each once, in ascending order of what its nearest row has."""
    count = distance.shape[1]
    for row in range(products.shape[0]):
        farthest = distance[row, count - 1]
        for column in range(products.shape[1]):
            far = norm[column] - np.float32(2) * products[row, column]
            if far >= farthest or other[column] == group[row]:
                continue
            at = count - 1
            for known in range(count):
                if groups[row, known] == other[column]:
                    at = known
                    break
            if distance[row, at] <= far:
                continue
            while at > 0 and distance[row, at - 1] > far:
                distance[row, at] = distance[row, at - 1]
                groups[row, at] = groups[row, at - 1]
                at -= 1
            distance[row, at] = far
            groups[row, at] = other[column]
            farthest = distance[row, count - 1]


def _measure_types(numba: Any) -> Any:
    real, place = numba.float64, numba.intp
    return numba.void(
        real[:, ::1], place[::1], place[::1], numba.int32[:, ::1], place[:, ::1], real[:, ::1]
    )  # fmt: skip


@kernel(_measure_types)
def _measure(rows, starts, which, groups, near, squared):  # type: ignore[no-untyped-def]  # numba's types
    """Find the nearest row of each group given, the first one of those as near, and its squared distance."""
    for number in range(which.size):
        row = which[number]
        for at in range(groups.shape[1]):
            group = groups[number, at]
            squared[number, at] = np.inf
            for other in range(starts[group], starts[group + 1]):
                total = 0.0
                for column in range(rows.shape[1]):
                    apart = rows[row, column] - rows[other, column]
                    total += apart * apart
                if total < squared[number, at]:
                    squared[number, at] = total
                    near[number, at] = other
