"""Blend trees and a line: add their calibrated log-odds with fixed weights.

Pipeline and scorer add in the same order, so that equal rows get the same bits in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.kernel import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Encoded numbers beyond it count as this far from the median: a line has no other way to stop trusting one.
CLIP = 5.0


@dataclass(frozen=True)
class Blend:
    """Log-odds as ``slope · margin + intercept + Σ weights · (clipped number − means)``.

    Attributes
    ----------
    slope, intercept : float
        Calibration of the trees' margin; the intercept holds the constants of both members.
    weights, means : ndarray of shape (n_numbers,), float64
        Of the encoded numbers.
    """

    slope: float
    intercept: float
    weights: NDArray[np.float64]
    means: NDArray[np.float64]

    def log_odds(self, margins: NDArray[np.float32], encoded: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds, float64, of rows: their margins, and their encoded columns, numbers first."""
        out = np.empty(len(margins))
        rows = np.ascontiguousarray(encoded, dtype=np.float32)
        blended.run(
            np.ascontiguousarray(margins, dtype=np.float32), rows, self.slope, self.intercept, self.weights,
            self.means, out,
        )  # fmt: skip
        return out


def _types(numba: Any) -> Any:
    rows = numba.types.Array(numba.float32, 2, "C", readonly=True)
    margins = numba.types.Array(numba.float32, 1, "C", readonly=True)
    line = numba.types.Array(numba.float64, 1, "C", readonly=True)
    return numba.void(margins, rows, numba.float64, numba.float64, line, line, numba.float64[::1])


@kernel(_types)
def blended(margins, rows, slope, intercept, weights, means, out):  # type: ignore[no-untyped-def]  # the types above
    """Write the log-odds of each row, adding the numbers up in order."""
    for row in range(margins.size):
        total = intercept
        for at in range(weights.size):
            number = min(max(np.float64(rows[row, at]), -CLIP), CLIP)
            total += weights[at] * (number - means[at])
        out[row] = total + slope * np.float64(margins[row])
