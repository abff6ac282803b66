"""The loops of the compiled scorer: through the trees, and from a margin to a calibrated probability.

The margin has XGBoost's bits: float32 throughout, trees in their order, the base first. What follows is that
of :mod:`ml_sys.model.calibration`, as in the Pipeline.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from ml_sys.elementary import sigmoid
from ml_sys.kernel import kernel
from ml_sys.model.calibration import HELPERS, calibrate, calibrated, calibration_types

# Trees that are walked side by side: what one waits for in memory, another has already.
GROUP = 8
# A row whose feature is below the threshold goes to ``left``, else to the node after it; a blank one goes
# left, or right where ``feature`` is stored as its complement. A leaf is its own left child under a threshold
# that is no number, so that a walk of any further steps stays there.
NODE = np.dtype([("left", np.int32), ("feature", np.int32), ("threshold", np.float32), ("value", np.float32)])


def function_of_c(name: str) -> Any:
    """Return a function of C's library from float to float."""
    function = getattr(ctypes.CDLL("ucrtbase") if os.name == "nt" else ctypes.CDLL(None), name)
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    return function


def _margin(rows: Any, row: int, nodes: Any, roots: Any, depths: Any, base: Any, at: Any) -> Any:
    total = base
    for group in range(roots.shape[0]):
        for tree in range(GROUP):
            at[tree] = roots[group, tree]
        for _ in range(depths[group]):
            for tree in range(GROUP):
                node = nodes[at[tree]]
                feature = node["feature"]
                value = rows[row, np.uint64(feature ^ (feature >> 31))]
                goes_right = (value >= node["threshold"]) | ((value != value) & (feature < 0))
                at[tree] = np.uint64(node["left"] + goes_right)
        for tree in range(GROUP):
            total += nodes[at[tree]]["value"]
    return total


def _read(numba: Any, dtype: Any, dimensions: int) -> Any:
    return numba.types.Array(dtype, dimensions, "C", readonly=True)


def _trees_types(numba: Any) -> tuple[Any, ...]:
    """Types of rows, nodes, roots, depths and base."""
    rows, nodes = _read(numba, numba.float32, 2), _read(numba, numba.from_dtype(NODE), 1)
    return rows, nodes, _read(numba, numba.int32, 2), _read(numba, numba.int32, 1), numba.float32


def _walk_types(numba: Any) -> Any:
    return numba.void(*_trees_types(numba), numba.float32[::1])


def _walk_in_numpy(rows: Any, nodes: Any, roots: Any, depths: Any, base: Any, margins: Any) -> None:
    """Walk all trees of all rows a step at a time, then add up in the order of the trees."""
    row = np.arange(len(rows))[:, None]
    at = np.repeat(roots.reshape(1, -1), len(rows), axis=0)
    left, stored, threshold = nodes["left"], nodes["feature"], nodes["threshold"]
    for _ in range(int(depths.max())):
        feature = stored[at]
        value = rows[row, feature ^ (feature >> 31)]
        at = left[at] + ((value >= threshold[at]) | (np.isnan(value) & (feature < 0)))
    steps = np.concatenate((np.full((len(rows), 1), base, dtype=np.float32), nodes["value"][at]), axis=1)
    margins[:] = np.add.accumulate(steps, axis=1, dtype=np.float32)[:, -1]


@kernel(_walk_types, meanwhile=_walk_in_numpy, helpers=(_margin,))
def walk(rows, nodes, roots, depths, base, margins):  # type: ignore[no-untyped-def]  # the types above
    """Write the margin of each row.

    Without a branch on what a row holds, and with several trees side by side, the processor seldom waits. No
    position is negative; saying so to the compiler spares it a test of each.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), float32
        NaN where blank.
    nodes, roots, depths, base
        As in `Trees`.
    margins : ndarray of shape (n_rows,), float32
        Written.
    """
    at = np.empty(GROUP, dtype=np.uint64)
    for row in range(rows.shape[0]):
        margins[row] = _margin(rows, row, nodes, roots, depths, base, at)


def _predict_types(numba: Any) -> Any:
    return numba.float64(*_trees_types(numba), *calibration_types(numba))


def _predict_in_numpy(
    rows: Any, nodes: Any, roots: Any, depths: Any, base: Any, kind: int, slope: float, intercept: float,
    knots: Any, values: Any,
) -> Any:  # fmt: skip
    margin, probability = np.empty(1, dtype=np.float32), np.empty(1)
    _walk_in_numpy(rows, nodes, roots, depths, base, margin)
    score = sigmoid(margin.astype(np.float64))
    calibrate.meanwhile(score, kind, slope, intercept, knots, values, probability)
    return float(probability[0])


@kernel(_predict_types, meanwhile=_predict_in_numpy, helpers=(_margin, *HELPERS))
def predict(rows, nodes, roots, depths, base, kind, slope, intercept, knots, values):  # type: ignore[no-untyped-def]
    """Return the probability of the only row: margin, score and calibration in one call."""
    margin = _margin(rows, 0, nodes, roots, depths, base, np.empty(GROUP, dtype=np.uint64))
    return calibrated(sigmoid(np.float64(margin)), kind, slope, intercept, knots, values)
