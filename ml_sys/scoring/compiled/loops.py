"""The loops of the compiled scorer: through the trees, along the line, and to a calibrated probability.

The margin has XGBoost's bits: float32 throughout, trees in order, the base first. The line adds up in the
order of :mod:`ml_sys.model.blend`, and the rest follows :mod:`ml_sys.model.calibration`, both as in the
Pipeline.
"""

from __future__ import annotations

import ctypes
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.elementary import logarithm, sigmoid
from ml_sys.kernel import kernel
from ml_sys.model.blend import CLIP
from ml_sys.model.calibration import HELPERS, calibrated, calibration_types
from ml_sys.model.scaling import STEPS, scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Trees that are walked in parallel: while one waits for memory, another can go on.
GROUP = 8
# A row whose feature is below the threshold goes to ``left``, else to the node after it. A blank goes left,
# or right if ``feature`` is stored as its complement. A leaf is its own left child with NaN as threshold, so
# that any further steps stay there.
NODE = np.dtype([("left", np.int32), ("feature", np.int32), ("threshold", np.float32), ("value", np.float32)])
# What a raw number adds to the log-odds: encoded, clipped, less the mean, times the weight. What a blank and
# the first whole numbers from 0 add is precomputed, since most numbers are one of them.
OF_TERM = ("center", "scale", "mean", "weight", "at_blank")
COUNTS = 64
TERM = np.dtype(
    [("feature", np.int64), *((name, np.float64) for name in OF_TERM), ("at_count", np.float64, (COUNTS,))]
)


def function_of_c(name: str) -> Any:
    """Return a function of the C library from float to float."""
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


def _term(value: Any, term: Any) -> Any:
    size = abs(np.float64(value))
    if np.isfinite(size):
        above = 1 + size
        mantissa, exponent = math.frexp(above)
        logged = logarithm(mantissa, exponent) + (size - (above - 1)) / above
    else:
        logged = size
    if value < 0:
        logged = -logged
    number = np.float64(np.float32(np.rint((logged - term["center"]) / term["scale"] * STEPS) / STEPS))
    return term["weight"] * (min(max(number, -CLIP), CLIP) - term["mean"])


def _log_odds(rows: Any, row: int, terms: Any, slope: float, intercept: float, margin: Any) -> Any:
    total = intercept
    for at in range(terms.size):
        term = terms[at]
        value = rows[row, term["feature"]]
        if value != value:
            total += term["at_blank"]
        elif 0 <= value < COUNTS and value == np.floor(value):
            total += term["at_count"][np.int64(value)]
        else:
            total += _term(value, term)
    return total + slope * np.float64(margin)


def _read(numba: Any, dtype: Any, dimensions: int) -> Any:
    return numba.types.Array(dtype, dimensions, "C", readonly=True)


def _trees_types(numba: Any) -> tuple[Any, ...]:
    """Types of rows, nodes, roots, depths and base."""
    rows, nodes = _read(numba, numba.float32, 2), _read(numba, numba.from_dtype(NODE), 1)
    return rows, nodes, _read(numba, numba.int32, 2), _read(numba, numba.int32, 1), numba.float32


def _walk_types(numba: Any) -> Any:
    return numba.void(*_trees_types(numba), numba.float32[::1])


def _walk_in_numpy(rows: Any, nodes: Any, roots: Any, depths: Any, base: Any, margins: Any) -> None:
    """Walk all trees for all rows step by step, then add up in the order of the trees."""
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

    Without branches on the data, and with several trees in parallel, the processor seldom waits. Positions
    are never negative; telling the compiler so saves a check.

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


def _line_types(numba: Any) -> tuple[Any, ...]:
    """Types of terms, slope and intercept."""
    return _read(numba, numba.from_dtype(TERM), 1), numba.float64, numba.float64


def _blend_types(numba: Any) -> Any:
    margins = _read(numba, numba.float32, 1)
    return numba.void(_read(numba, numba.float32, 2), margins, *_line_types(numba), numba.float64[::1])


def _blend_in_numpy(rows: Any, margins: Any, terms: Any, slope: float, intercept: float, out: Any) -> None:
    out[:] = intercept
    for each in added(terms, rows).T:  # one after the other, in the order of the loop
        out += each
    out += slope * margins.astype(np.float64)


def added(terms: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return what each term of a line adds to the log-odds of rows of raw features."""
    raw = rows[:, terms["feature"]].astype(np.float64)
    number = scaled(raw, terms["center"], terms["scale"]).astype(np.float64)
    each = terms["weight"] * (np.clip(number, -CLIP, CLIP) - terms["mean"])
    return np.where(np.isnan(raw), terms["at_blank"], each)


@kernel(_blend_types, meanwhile=_blend_in_numpy, helpers=(logarithm, _term, _log_odds))
def blend(rows, margins, terms, slope, intercept, out):  # type: ignore[no-untyped-def]  # the types above
    """Write the log-odds of each row of raw features from its margin and its line."""
    for row in range(rows.shape[0]):
        out[row] = _log_odds(rows, row, terms, slope, intercept, margins[row])


def _predict_types(numba: Any) -> Any:
    rows, *trees = _trees_types(numba)
    parts = (trees, _line_types(numba), calibration_types(numba))
    return numba.float64(rows, *(numba.types.Tuple(part) for part in parts))


@kernel(_predict_types, helpers=(_margin, logarithm, _term, _log_odds, *HELPERS))
def predict(rows, trees, line, calibration):  # type: ignore[no-untyped-def]  # the types above
    """Return the probability of the only row: margin, line, score and calibration in one call.

    Parameters
    ----------
    rows : ndarray of shape (1, n_features), float32
    trees, line, calibration : tuple
        The `arguments` of each.
    """
    nodes, roots, depths, base = trees
    terms, line_slope, line_intercept = line
    kind, slope, intercept, knots, values = calibration
    margin = _margin(rows, 0, nodes, roots, depths, base, np.empty(GROUP, dtype=np.uint64))
    log_odds = _log_odds(rows, 0, terms, line_slope, line_intercept, margin)
    return calibrated(sigmoid(log_odds), kind, slope, intercept, knots, values)
