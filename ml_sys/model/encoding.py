"""How a number of the feature frame becomes the one that trees split on; shared with the compiled scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.elementary import log1p

if TYPE_CHECKING:
    from numpy.typing import NDArray


def signed_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sign(x) · log(1 + |x|)."""
    logged: NDArray[np.float64] = np.sign(values) * log1p(np.abs(values))
    return logged


def scaled(values: NDArray[np.float64], center: Any, scale: Any) -> NDArray[np.float32]:
    """Return the signed logarithm, centred and scaled, as float32."""
    return rescaled(signed_log(values), center, scale)


def rescaled(logged: NDArray[np.float64], center: Any, scale: Any) -> NDArray[np.float32]:
    """Return what is logarithmic already, centred and scaled, as float32."""
    result: NDArray[np.float32] = ((logged - center) / scale).astype(np.float32)
    return result
