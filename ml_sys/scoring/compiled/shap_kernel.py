"""Exact path-dependent SHAP values of trees: what each feature adds to the margin of one row.

A feature's value is the change that it causes when it becomes known, averaged over all orders of features. If
a tree splits by a feature that is not known yet, both branches count, weighted by their cover (Lundberg et
al. 2020). XGBoost's ``pred_contribs`` gives the same values.

Orders are not enumerated. If every feature is known with probability t, independently, the probability of
reaching a leaf is a product over the features on its path, and the SHAP values are the mean over t in (0, 1)
of the change caused by one more known feature (Owen 1972). The product is a polynomial in t, so a few
Gauss-Legendre points give the mean exactly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.kernel import kernel
from ml_sys.scoring.compiled.loops import NODE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.scoring.compiled.trees import Trees

# Replaces a share of zero, which cannot be a divisor; the values still add up to the margin.
_LEAST_SHARE = 1e-30


def shap_values(trees: Trees, row: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what each feature adds to the margin.

    Parameters
    ----------
    row : ndarray of shape (n_features,), float32
        NaN where blank.

    Returns
    -------
    ndarray of shape (n_features + 1,), float64
        The last is the margin if nothing is known; the sum of all is the margin.
    """
    values = np.zeros(row.size + 1)
    roots = trees.roots.ravel()
    filler = trees.nodes.size - 1
    starts = np.append(roots[roots != filler], np.int32(filler))
    points, weights = _quadrature(int(trees.depths.max()))
    contribute.run(row, trees.nodes, trees.cover, starts, points, weights, values)
    values[-1] += trees.base
    return values


@lru_cache(maxsize=8)
def _quadrature(depth: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points in (0, 1) and weights that integrate exactly for trees of this depth.

    A path contains at most ``depth`` features, all but one of them as factors; n points are exact up to
    degree 2n - 1.
    """
    points, weights = np.polynomial.legendre.leggauss(max((depth + 1) // 2, 1))
    return (points + 1) / 2, weights / 2


def _types(numba: Any) -> Any:
    def read(dtype: Any) -> Any:
        return numba.types.Array(dtype, 1, "C", readonly=True)

    forest = read(numba.from_dtype(NODE)), read(numba.float32), read(numba.int32)
    quadrature = read(numba.float64), read(numba.float64)
    return numba.void(read(numba.float32), *forest, *quadrature, numba.float64[::1])


@kernel(_types)
def contribute(row, nodes, cover, starts, points, weights, values):  # type: ignore[no-untyped-def]  # the types above
    """Add to ``values`` each feature's contribution to a row's margin, and the margin without any feature.

    Nodes come after their parents. So a forward pass gives each node the probability of reaching it, at each
    point, and a backward pass adds up the leaves below it. The change caused by a feature is computed at the
    last split by it on each path; ``same`` is the node below the previous such split, or the root, which a
    row reaches whether the feature is known or not.

    Parameters
    ----------
    row : ndarray of shape (n_features,), float32
        NaN where blank.
    nodes, cover
        As in `Trees`.
    starts : ndarray of shape (n_trees + 1,), int32
        Position of each tree's root, and of the node after the last tree.
    points, weights : ndarray of shape (n_points,), float64
        Of the quadrature.
    values : ndarray of shape (n_features + 1,), float64
        Contributions are added here.
    """
    n_points = points.size
    largest = 0
    for tree in range(starts.size - 1):
        largest = max(largest, starts[tree + 1] - starts[tree])
    parent = np.zeros(largest, dtype=np.int64)
    same = np.zeros(largest, dtype=np.int64)
    feature_of = np.full(largest, -1, dtype=np.int64)
    known = np.ones(largest)  # whether the row goes to the node, as far as the feature decides
    unknown = np.ones(largest)  # the share of training rows that do
    share = np.ones(largest)  # the share of training rows that reach the node at all
    inverse = np.ones((largest, n_points))  # one over the feature's factor
    mass = np.empty((largest, n_points))
    for tree in range(starts.size - 1):
        start, size = starts[tree], starts[tree + 1] - starts[tree]
        mass[0] = weights
        for at in range(size):
            node = nodes[start + at]
            left = node["left"] - start
            if left == at:
                leaf = np.float64(node["value"])
                values[-1] += share[at] * leaf
                for point in range(n_points):
                    mass[at, point] *= leaf
                continue
            feature = node["feature"]
            blank_right = feature < 0
            feature = feature ^ (feature >> 31)
            value = row[feature]
            goes_right = (value >= node["threshold"]) | ((value != value) & blank_right)
            before = at
            while before > 0 and feature_of[before] != feature:
                before = parent[before]
            all_rows = np.float64(cover[start + at])
            for side in range(2):
                child = left + side
                part = np.float64(cover[start + child]) / all_rows if all_rows > 0 else 0.0
                parent[child], same[child], feature_of[child] = at, before, feature
                share[child] = share[at] * part
                known[child] = known[before] if goes_right == (side == 1) else 0.0
                unknown[child] = max(unknown[before] * part, _LEAST_SHARE)
                for point in range(n_points):
                    factor = points[point] * known[child] + (1 - points[point]) * unknown[child]
                    inverse[child, point] = 1 / factor
                    mass[child, point] = mass[at, point] * inverse[before, point] * factor
            for point in range(n_points):
                mass[at, point] = 0.0
        for at in range(size - 1, 0, -1):
            above, before = parent[at], same[at]
            change, change_before = known[at] - unknown[at], known[before] - unknown[before]
            total = 0.0
            for point in range(n_points):
                change_here = change * inverse[at, point] - change_before * inverse[before, point]
                total += mass[at, point] * change_here
                mass[above, point] += mass[at, point]
            values[feature_of[at]] += total
