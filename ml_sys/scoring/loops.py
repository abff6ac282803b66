"""The loops of the compiled scorer: through the trees, and from a margin to a calibrated probability.

The score has XGBoost's bits: float32 throughout, trees in their order, the base first, C's expf. Calibration
is float64 and calls the same functions of C whether it is interpreted or compiled. All stand in one module,
since numba's cache does not see that a function of another module has changed.
"""

from __future__ import annotations

import ctypes
import math
import os
from typing import Any

import numpy as np

from ml_sys.kernel import kernel
from ml_sys.model.calibration import EPSILON

# Trees that are walked side by side: what one waits for in memory, another has already.
GROUP = 8
# A row whose feature is below the threshold goes to ``left``, else to the node after it; a blank one goes
# left, or right where ``feature`` is stored as its complement. A leaf is its own left child under a threshold
# that is no number, so that a walk of any further steps stays there.
NODE = np.dtype([("left", np.int32), ("feature", np.int32), ("threshold", np.float32), ("value", np.float32)])
NOTHING, LINE, STEPS = 0, 1, 2  # kinds of calibration

# Beyond it C's exp overflows float64.
_LARGEST_EXPONENT = 709.0
_ONE = np.float32(1)
# XGBoost takes no greater exponent, or its exponential would be infinite.
_LARGEST_AGAINST = np.float32(88.7)
_MOST_AGAINST = float(_LARGEST_AGAINST)


def function_of_c(name: str) -> Any:
    """Return a function of C's library from float to float."""
    function = getattr(ctypes.CDLL("ucrtbase") if os.name == "nt" else ctypes.CDLL(None), name)
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    return function


_expf = function_of_c("expf")


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


def _calibrated(score: float, kind: int, slope: float, intercept: float, knots: Any, values: Any) -> Any:
    if kind == LINE:
        clipped = min(max(score, EPSILON), 1 - EPSILON)
        exponent = -(slope * math.log(clipped / (1 - clipped)) + intercept)
        return 0.0 if exponent > _LARGEST_EXPONENT else 1 / (1 + math.exp(exponent))
    if kind == STEPS:
        if score <= knots[0]:
            return values[0]
        low, high = 0, knots.size - 1
        if score >= knots[high]:
            return values[high]
        while high - low > 1:
            middle = (low + high) // 2
            if knots[middle] <= score:
                low = middle
            else:
                high = middle
        rise = (values[high] - values[low]) / (knots[high] - knots[low])
        return rise * (score - knots[low]) + values[low]
    return score


def _read(numba: Any, dtype: Any, dimensions: int) -> Any:
    return numba.types.Array(dtype, dimensions, "C", readonly=True)


def _trees_types(numba: Any) -> tuple[Any, ...]:
    """Types of rows, nodes, roots, depths and base."""
    rows, nodes = _read(numba, numba.float32, 2), _read(numba, numba.from_dtype(NODE), 1)
    return rows, nodes, _read(numba, numba.int32, 2), _read(numba, numba.int32, 1), numba.float32


def _calibration_types(numba: Any) -> tuple[Any, ...]:
    """Types of kind, slope, intercept, knots and values."""
    knots = _read(numba, numba.float64, 1)
    return numba.int64, numba.float64, numba.float64, knots, knots


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


def _exponential_types(numba: Any) -> Any:
    return numba.void(_read(numba, numba.float32, 1), numba.float32[::1])


def _calibrate_types(numba: Any) -> Any:
    return numba.void(_read(numba, numba.float64, 1), *_calibration_types(numba), numba.float64[::1])


def _exponential_by_c(margins: Any, out: Any) -> None:
    out[:] = [_expf(min(-margin, _MOST_AGAINST)) for margin in margins.tolist()]


@kernel(_exponential_types, meanwhile=_exponential_by_c)
def exponential(margins, out):  # type: ignore[no-untyped-def]  # the types above
    """Write exp(-margin), float32, by the same function of C that XGBoost calls."""
    for at in range(margins.size):
        out[at] = math.exp(min(-margins[at], _LARGEST_AGAINST))


@kernel(_calibrate_types, helpers=(_calibrated,))
def calibrate(scores, kind, slope, intercept, knots, values, out):  # type: ignore[no-untyped-def]  # the types above
    """Write the probability of each score; the arguments are those of `Calibration`."""
    for at in range(scores.size):
        out[at] = _calibrated(scores[at], kind, slope, intercept, knots, values)


def _predict_types(numba: Any) -> Any:
    return numba.float64(*_trees_types(numba), *_calibration_types(numba))


def _predict_in_numpy(
    rows: Any, nodes: Any, roots: Any, depths: Any, base: Any, kind: int, slope: float, intercept: float,
    knots: Any, values: Any,
) -> Any:  # fmt: skip
    margin = np.empty(1, dtype=np.float32)
    _walk_in_numpy(rows, nodes, roots, depths, base, margin)
    against = np.float32(_expf(min(-float(margin[0]), _MOST_AGAINST)))
    return _calibrated(float(_ONE / (_ONE + against)), kind, slope, intercept, knots, values)


@kernel(_predict_types, meanwhile=_predict_in_numpy, helpers=(_margin, _calibrated))
def predict(rows, nodes, roots, depths, base, kind, slope, intercept, knots, values):  # type: ignore[no-untyped-def]
    """Return the probability of the only row: `walk`, `exponential` and `calibrate` in one call."""
    margin = _margin(rows, 0, nodes, roots, depths, base, np.empty(GROUP, dtype=np.uint64))
    score = np.float64(_ONE / (_ONE + np.float32(math.exp(min(-margin, _LARGEST_AGAINST)))))
    return _calibrated(score, kind, slope, intercept, knots, values)
