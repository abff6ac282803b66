"""Features of every company at cutoffs, computed once for all who ask: fit, canaries, past lists, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.features.compute import FeatureInputs, feature_frame
from ml_sys.features.firmographics import Firmographics
from ml_sys.features.rows import Different, Rows
from ml_sys.features.rules import rule_scores
from ml_sys.features.windows import BLOCK_COMPANIES, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec

# (Company, cutoff) pairs whose features are computed at a time.
_BLOCK_ROWS = 2**18


class KnownFeatures:
    """What the same inputs said at cutoffs that were asked for before.

    What is known of a cutoff stays when others are added: a feature is a function of its own cutoff alone.

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

    def rules(self, cutoffs: NDArray[np.int32]) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.float32]]]:
        """Return, for the same pairs, whether there was usage by then, and the scores of each simple rule."""
        missing = self._missing(cutoffs, self._rules)
        if missing.size:
            first, scores = rule_scores(self.inputs.usage, missing)
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
        """Compute what is not known yet of some cutoffs; those asked for together cost least."""
        at = self._rows[spec][1] if spec in self._rows else {}
        missing = self._missing(cutoffs, at)
        if not missing.size and spec in self._rows:
            return
        found = [Rows.merged(feature_frame(part, missing, spec)) for part in self._parts(missing.size)]
        found = found or [Rows.merged(feature_frame(self.inputs, missing, spec))]
        before = [self._rows[spec][0].frame] if spec in self._rows else []
        every = Rows.merged(pd.concat([*before, *(one.different.frame for one in found)], ignore_index=True))
        start = sum(map(len, before))
        numbers = []
        for one in found:
            numbers.append(every.which[start:][one.which])
            start += len(one.different)
        if missing.size:
            by_cutoff = np.concatenate(numbers).reshape(-1, missing.size)
            at = {**at, **{int(one): by_cutoff[:, number].copy() for number, one in enumerate(missing)}}
        self._rows[spec] = (every.different, at)

    def _missing(self, cutoffs: Any, known: dict[int, Any]) -> NDArray[np.int32]:
        asked = {int(cutoff) for cutoff in cutoffs}
        return np.array(sorted(asked - set(known)), dtype=np.int32)

    def _parts(self, n_cutoffs: int) -> Iterator[FeatureInputs]:
        """Cut the inputs into those of companies that follow each other."""
        size = max(1, min(BLOCK_COMPANIES, _BLOCK_ROWS // max(n_cutoffs, 1)))
        firm, start = self.inputs.firmographics, 0
        for usage in self.inputs.usage.blocks(size):
            part = slice(start, start + usage.n_companies)
            start = part.stop
            yield FeatureInputs(
                usage, Firmographics(firm.rank[part], firm.employee_range[part], firm.industry[part])
            )


def _company_by_company(columns: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Return the values of cutoffs, one array for each, company by company."""
    return np.stack(columns, axis=1).ravel() if columns else np.empty(0, dtype=dtype)
