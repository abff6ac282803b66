"""Exponential and logarithm from plain IEEE operations, so that every CPU gives the same bits.

NumPy and C's library choose their own by the CPU, and the last bits differ. A row whose feature lies on a
threshold of a tree then goes another way. Here each step is an addition, a product, a quotient or a scaling
by a power of two. IEEE 754 rounds these in one way only, and numba fuses none of them. The functions of one
number also take arrays. Results are right to about one unit in the last place.

References
----------
Sun Microsystems, *fdlibm* 5.3 (1993), ``e_exp.c`` and ``e_log.c``: reductions and coefficients.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.kernel import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Beyond it the exponential, or one over it, leaves the normal numbers of float64.
_LARGEST_EXPONENT = 709.0
# ln 2 as a sum, so that a small multiple of the first part is exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG2_E = 1.44269504088896338700
_SQRT_HALF = 0.70710678118654752440
_LOG10_E = 4.34294481903251816668e-01
# Coefficients of x·(e^x + 1)/(e^x − 1) in x², and of the logarithm's series in ((x − 1)/(x + 1))².
_E1, _E2, _E3 = 1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05
_E4, _E5 = -1.65339022054652515390e-06, 4.13813679705723846039e-08
_L1, _L2, _L3 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01
_L4, _L5, _L6 = 2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01
_L7 = 1.479819860511658591e-01


def exponential(x: Any) -> Any:
    """Return e^x, float64; beyond ±709 that of ±709."""
    x = np.minimum(np.maximum(x, -_LARGEST_EXPONENT), _LARGEST_EXPONENT)
    power = np.floor(x * _LOG2_E + 0.5)
    high, low = x - power * _LN2_HIGH, power * _LN2_LOW
    rest = high - low
    square = rest * rest
    c = rest - square * (_E1 + square * (_E2 + square * (_E3 + square * (_E4 + square * _E5))))
    return np.ldexp(1 - ((low - rest * c / (2 - c)) - high), np.int32(power))


def sigmoid(log_odds: Any) -> Any:
    """Return the probability of log-odds, float64."""
    return 1 / (1 + exponential(-log_odds))


def sigmoids(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the probability of each of an array's log-odds."""
    return _each(log_odds, _sigmoids)


def logarithm(mantissa: Any, exponent: Any) -> Any:
    """Return the logarithm of a positive number that ``frexp`` took apart, float64."""
    below = mantissa < _SQRT_HALF
    exponent = exponent - below
    f = mantissa * (1 + below) - 1
    s = f / (2 + f)
    z = s * s
    w = z * z
    series = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7))) + w * (_L2 + w * (_L4 + w * _L6))
    half = 0.5 * f * f
    return exponent * _LN2_HIGH - ((half - (s * (half + series) + exponent * _LN2_LOW)) - f)


def log(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the natural logarithm of an array of non-negative numbers, float64; a blank stays blank."""
    return _each(values, _logs)


def log1p(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return log(1 + x) of an array of non-negative numbers, float64; a blank stays blank."""
    return _each(values, _logs1p)


def log10(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the decimal logarithm of an array of non-negative numbers, float64; a blank stays blank."""
    return log(values) * _LOG10_E


def _each(values: NDArray[np.floating[Any]], loop: Any) -> NDArray[np.float64]:
    given = np.ascontiguousarray(values, dtype=np.float64)
    out = np.empty(given.shape)
    loop.run(given.reshape(-1), out.reshape(-1))
    return out


def _types(numba: Any) -> Any:
    return numba.void(numba.types.Array(numba.float64, 1, "C", readonly=True), numba.float64[::1])


def _logs_in_numpy(values: Any, out: Any) -> None:
    with np.errstate(invalid="ignore"):  # what is not finite is written below
        out[:] = logarithm(*np.frexp(values))
    np.copyto(out, -np.inf, where=values == 0)
    np.copyto(out, values, where=~np.isfinite(values))


def _logs1p_in_numpy(values: Any, out: Any) -> None:
    above = 1 + values
    with np.errstate(invalid="ignore"):  # as above
        out[:] = logarithm(*np.frexp(above)) + (values - (above - 1)) / above
    np.copyto(out, values, where=~np.isfinite(values))


@kernel(_types, meanwhile=_logs_in_numpy, helpers=(logarithm,))
def _logs(values, out):  # type: ignore[no-untyped-def]  # the types above
    for at in range(values.size):
        value = values[at]
        if value == 0:
            out[at] = -np.inf
        elif np.isfinite(value):
            mantissa, exponent = math.frexp(value)
            out[at] = logarithm(mantissa, exponent)
        else:
            out[at] = value


@kernel(_types, meanwhile=_logs1p_in_numpy, helpers=(logarithm,))
def _logs1p(values, out):  # type: ignore[no-untyped-def]  # the types above
    for at in range(values.size):
        value = values[at]
        if np.isfinite(value):
            above = 1 + value
            mantissa, exponent = math.frexp(above)
            # What the addition lost of the value comes back.
            out[at] = logarithm(mantissa, exponent) + (value - (above - 1)) / above
        else:
            out[at] = value


def _sigmoids_in_numpy(values: Any, out: Any) -> None:
    out[:] = sigmoid(values)


@kernel(_types, meanwhile=_sigmoids_in_numpy, helpers=(exponential, sigmoid))
def _sigmoids(values, out):  # type: ignore[no-untyped-def]  # the types above
    for at in range(values.size):
        out[at] = sigmoid(values[at])
