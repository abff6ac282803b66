"""Recompute features from what was known at the cutoff, and compare them with a panel's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.features.compute import feature_frame
from ml_sys.features.rows import Different

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.inputs import FeatureInputs, InputPart, Inputs
    from ml_sys.features.panel import Panel
    from ml_sys.features.rows import Rows


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


def first_change(
    inputs: Inputs, spec: FeatureSpec, checks: Sequence[tuple[Panel, int]]
) -> FeatureChange | None:
    """Recompute the features of cutoffs without later usage, and return the first that changes.

    Parameters
    ----------
    inputs : Inputs
        What the panels were computed from, later usage included.
    spec : FeatureSpec
        The features of the panels.
    checks : sequence of (Panel, int)
        Panels, and of each a cutoff in days since 1970-01-01.

    Returns
    -------
    FeatureChange or None
        The first, by the order of the checks and then of the columns; None if all features are the same, bit
        for bit.
    """
    asked = [_Check.of(panel, cutoff) for panel, cutoff in checks]
    changed = [dict.fromkeys(spec.names(), 0) for _ in checks]
    for part in inputs.parts():
        for one, companies in zip(asked, changed, strict=True):
            for name, count in one.changes(part, spec):
                companies[name] += count
    for (_, cutoff), companies in zip(checks, changed, strict=True):
        for name, count in companies.items():
            if count:
                return FeatureChange(name, cutoff, count)
    return None


@dataclass(frozen=True)
class _Check:
    """The rows of a panel at a cutoff, with the company and an exact digest of each."""

    rows: Rows
    cutoff: int
    company: NDArray[np.int32]
    digest: NDArray[np.uint64]

    @classmethod
    def of(cls, panel: Panel, cutoff: int) -> _Check:
        rows = panel.rows.take(np.flatnonzero(panel.cutoff == cutoff))
        digest = rows.different.exact_digests()[rows.which]
        return cls(rows, cutoff, panel.company[panel.cutoff == cutoff], digest)

    def changes(self, part: InputPart, spec: FeatureSpec) -> Iterator[tuple[str, int]]:
        """Yield the features that change for some of a part's companies, and for how many."""
        local = part.local(self.company)
        here = np.flatnonzero(local >= 0)
        known = _known_by(part.inputs.take(local[here]), self.cutoff)
        again = Different(feature_frame(known, np.array([self.cutoff], dtype=np.int32), spec))
        others = np.flatnonzero(again.exact_digests() != self.digest[here])
        if not others.size:
            return
        before = self.rows.take(here[others]).frame()
        for name in again.names():
            yield name, int(_differ(before[name].to_numpy(), again.column(name)[others]).sum())


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
