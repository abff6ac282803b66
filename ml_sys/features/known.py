"""A cache of features by cutoff, shared by the fit, the canaries, past lists and the report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.features.compute import feature_frame
from ml_sys.features.rows import Different, Rows
from ml_sys.features.rules import rule_scores
from ml_sys.features.windows import BLOCK_COMPANIES, NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.inputs import FeatureInputs

# (Company, cutoff) pairs whose features are computed at a time.
_BLOCK_ROWS = 2**18
# In place of a row's number where no feature of the pair was computed.
_UNKNOWN = -1


class KnownFeatures:
    """Features at the cutoffs requested so far, all from the same inputs.

    Adding a cutoff never changes another: a feature depends on its own cutoff alone.

    Parameters
    ----------
    inputs : FeatureInputs
        Of n_companies companies.
    """

    def __init__(self, inputs: FeatureInputs) -> None:
        self.inputs = inputs
        self._rows: dict[FeatureSpec, tuple[Different, dict[int, NDArray[np.int32]]]] = {}
        self._rules: dict[int, tuple[NDArray[np.bool_], dict[str, NDArray[np.float32]]]] = {}

    def rows(self, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Rows:
        """Return the features of every (company, cutoff), company by company, cutoffs in the order given."""
        self.learn(cutoffs, spec)
        different, at = self._rows[spec]
        return Rows(different, _company_by_company([at[int(cutoff)] for cutoff in cutoffs], np.int32))

    def some(self, company: NDArray[np.int32], cutoff: NDArray[np.int32], spec: FeatureSpec) -> Rows:
        """Return the features of some (company, cutoff) pairs, in the order given."""
        self.learn_some(company, cutoff, spec)
        different, at = self._rows[spec]
        which = np.empty(company.size, dtype=np.int32)
        for one, rows in _by_cutoff(cutoff):
            which[rows] = at[one][company[rows]]
        return Rows(different, which)

    def rules(self, cutoffs: NDArray[np.int32]) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.float32]]]:
        """Return, for the same pairs, whether there was usage by then, and the scores of each simple rule."""
        missing = self._missing(cutoffs, self._rules)
        if missing.size:
            first, scores = rule_scores(self.inputs, missing)
            by_cutoff = {name: score.reshape(first.shape) for name, score in scores.items()}
            for number, cutoff in enumerate(missing):
                told = {name: score[:, number].copy() for name, score in by_cutoff.items()}
                self._rules[int(cutoff)] = (first[:, number] != NEVER, told)
        known = [self._rules[int(cutoff)] for cutoff in cutoffs]
        seen = _company_by_company([one for one, _ in known], np.bool_)
        names = known[0][1] if known else {}
        return seen, {
            name: _company_by_company([told[name] for _, told in known], np.float32) for name in names
        }

    def learn(self, cutoffs: Iterable[int] | NDArray[np.int32], spec: FeatureSpec) -> None:
        """Compute what is missing at some cutoffs; asking for them together costs least."""
        at = self._rows[spec][1] if spec in self._rows else {}
        whole = {cutoff for cutoff, numbers in at.items() if (numbers != _UNKNOWN).all()}
        missing = self._missing(cutoffs, whole)
        if not missing.size and spec in self._rows:
            return
        found = [Rows.merged(feature_frame(part, missing, spec)) for part in self._parts(missing.size)]
        found = found or [Rows.merged(feature_frame(self.inputs, missing, spec))]
        numbers = self._added(found, spec)
        if missing.size:
            by_cutoff = np.concatenate(numbers).reshape(-1, missing.size)
            self._rows[spec][1].update(
                {int(one): by_cutoff[:, number].copy() for number, one in enumerate(missing)}
            )

    def learn_some(self, company: NDArray[np.int32], cutoff: NDArray[np.int32], spec: FeatureSpec) -> None:
        """Compute what is missing for some (company, cutoff) pairs, and for no others."""
        at = self._rows[spec][1] if spec in self._rows else {}
        missing = []
        for one, rows in _by_cutoff(cutoff):
            wanted = np.unique(company[rows])
            wanted = wanted[at[one][wanted] == _UNKNOWN] if one in at else wanted
            if wanted.size:
                missing.append((one, wanted))
        if not missing:
            self.learn((), spec)
            return
        found = [
            Rows.merged(feature_frame(self.inputs.take(wanted), np.array([one], dtype=np.int32), spec))
            for one, wanted in missing
        ]
        numbers = self._added(found, spec)
        at = self._rows[spec][1]
        for (one, wanted), number in zip(missing, numbers, strict=True):
            if one not in at:
                at[one] = np.full(self.inputs.usage.n_companies, _UNKNOWN, dtype=np.int32)
            at[one][wanted] = number

    def _added(self, found: list[Rows], spec: FeatureSpec) -> list[NDArray[np.int32]]:
        """Add rows to the distinct ones that are known, and return their numbers there."""
        known, at = self._rows.get(spec, (None, {}))
        different = [*([] if known is None else [known]), *(one.different for one in found)]
        every = Rows.merged(
            pd.concat([one.frame for one in different], ignore_index=True),
            np.concatenate([one.digests() for one in different]),
        )
        start, numbers = 0 if known is None else len(known), []
        for one in found:
            numbers.append(every.which[start:][one.which])
            start += len(one.different)
        self._rows[spec] = (every.different, at)
        return numbers

    def _missing(self, cutoffs: Any, known: Collection[int]) -> NDArray[np.int32]:
        asked = {int(cutoff) for cutoff in cutoffs}
        return np.array(sorted(asked - set(known)), dtype=np.int32)

    def _parts(self, n_cutoffs: int) -> Iterator[FeatureInputs]:
        """Cut the inputs into runs of neighbouring companies."""
        size = max(1, min(BLOCK_COMPANIES, _BLOCK_ROWS // max(n_cutoffs, 1)))
        every, start = self.inputs, 0
        for usage in every.usage.blocks(size):
            part = slice(start, start + usage.n_companies)
            start = part.stop
            yield replace(every, usage=usage, attributes=every.attributes.take(part), since=every.since[part])


def _company_by_company(columns: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Return the values of cutoffs, one array for each, company by company."""
    return np.stack(columns, axis=1).ravel() if columns else np.empty(0, dtype=dtype)


def _by_cutoff(cutoff: NDArray[np.int32]) -> list[tuple[int, NDArray[np.intp]]]:
    """Return each distinct cutoff and the positions where it occurs."""
    known, which = np.unique(cutoff, return_inverse=True)
    rows = np.split(
        np.argsort(which, kind="stable"), np.cumsum(np.bincount(which, minlength=known.size))[:-1]
    )
    return [(int(one), at) for one, at in zip(known, rows, strict=True)] if known.size else []
