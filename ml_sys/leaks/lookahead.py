"""Recompute features from what was known at the cutoff, and compare them with a panel's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.features.compute import feature_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.inputs import FeatureInputs
    from ml_sys.features.panel import Panel


@dataclass(frozen=True)
class FeatureChange:
    """A feature that changes when later usage is deleted.

    Attributes
    ----------
    cutoff : int
        Day since 1970-01-01.
    companies : int
        Companies for which it changes.
    """

    feature: str
    cutoff: int
    companies: int


def first_change(inputs: FeatureInputs, spec: FeatureSpec, panel: Panel, cutoff: int) -> FeatureChange | None:
    """Recompute a cutoff's features without later usage, and return the first that changes.

    Parameters
    ----------
    inputs : FeatureInputs
        What the panel was computed from, later usage included.
    spec : FeatureSpec
        The features of ``panel``.
    cutoff : int
        Day since 1970-01-01.

    Returns
    -------
    FeatureChange or None
        None if all features are the same, bit for bit.
    """
    rows = np.flatnonzero(panel.cutoff == cutoff)
    known, company = panel.rows.take(rows), panel.company[rows]
    again = feature_frame(_known_by(inputs, cutoff), np.array([cutoff], dtype=np.int32), spec)
    for name in again.columns:
        differ = _differ(known.column(name), again[name].to_numpy()[company])
        if differ.any():
            return FeatureChange(str(name), cutoff, int(differ.sum()))
    return None


def _known_by(inputs: FeatureInputs, cutoff: int) -> FeatureInputs:
    log = inputs.usage
    kept = np.flatnonzero(log.day <= cutoff)
    known = replace(log, company=log.company[kept], day=log.day[kept], values=log.values.take(kept, axis=0))
    return replace(inputs, usage=known)


def _differ(one: NDArray[np.generic], other: NDArray[np.generic]) -> NDArray[np.bool_]:
    if one.dtype == other.dtype == np.float32:
        one, other = one.view(np.int32), other.view(np.int32)
    both_blank = (one != one) & (other != other)
    return np.asarray((one != other) & ~both_blank, dtype=np.bool_)
