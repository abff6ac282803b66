"""How a number of the feature frame becomes the one that trees split on; shared with the compiled scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.elementary import log1p

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Steps of the scaled numbers, in quartile ranges. What is finer is a machine's rounding and not information;
# without it a last bit that differs decides which rows are equal, and with them where trees split.
STEPS = 256.0


def signed_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``sign(x) · log(1 + |x|)``."""
    logged: NDArray[np.float64] = np.sign(values) * log1p(np.abs(values))
    return logged


def scaled(values: NDArray[np.float64], center: Any, scale: Any) -> NDArray[np.float32]:
    """Return the signed logarithm, centred, scaled and on its steps, as float32."""
    steps = np.rint((signed_log(values) - center) / scale * STEPS)
    result: NDArray[np.float32] = (steps / STEPS).astype(np.float32)
    return result
