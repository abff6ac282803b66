"""A cache of features by cutoff, shared by the fit, the canaries, past lists and the report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

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


def rows_of_part(inputs: FeatureInputs, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Rows:
    """Return the features of every (company, cutoff) of a part of the companies, equal rows once.

    A pure function of the part, so that parts may be computed anywhere, and in any number.
    """
    return Rows.merged(feature_frame(inputs, cutoffs, spec))


@dataclass(frozen=True)
class _Known:
    """What is known of features: rows that differ, and the number of each company's among them.

    Attributes
    ----------
    whole : dict of int to ndarray of shape (n_companies,), int32
        By cutoff of which everything is known.
    some : dict of int to tuple of ndarray
        By cutoff of which some is: companies, ascending, and their numbers.
    """

    different: Different
    whole: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    some: dict[int, tuple[NDArray[np.int32], NDArray[np.int32]]] = field(default_factory=dict)

    def numbers(self, cutoff: int, company: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the numbers of companies at a cutoff, ``_UNKNOWN`` where there is none."""
        if cutoff in self.whole:
            return self.whole[cutoff][company]
        if cutoff not in self.some:
            return np.full(company.size, _UNKNOWN, dtype=np.int32)
        there, number = self.some[cutoff]
        place = np.minimum(np.searchsorted(there, company), there.size - 1)
        return np.where(there[place] == company, number[place], np.int32(_UNKNOWN))

    def add(self, cutoff: int, company: NDArray[np.int32], number: NDArray[np.int32]) -> None:
        """Add companies of which nothing was known at a cutoff."""
        if cutoff in self.some:
            company, number = (
                np.concatenate(two) for two in zip(self.some[cutoff], (company, number), strict=True)
            )
        order = np.argsort(company)
        self.some[cutoff] = company[order], number[order]


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
        self._known: dict[FeatureSpec, _Known] = {}
        self._rules: dict[int, tuple[NDArray[np.bool_], dict[str, NDArray[np.float32]]]] = {}

    def rows(self, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Rows:
        """Return the features of every (company, cutoff), company by company, cutoffs in the order given."""
        self.learn(cutoffs, spec)
        known = self._known[spec]
        numbers = [known.whole[int(cutoff)] for cutoff in cutoffs]
        return Rows(known.different, _company_by_company(numbers, np.int32))

    def some(self, company: NDArray[np.int32], cutoff: NDArray[np.int32], spec: FeatureSpec) -> Rows:
        """Return the features of some (company, cutoff) pairs, in the order given."""
        self.learn_some(company, cutoff, spec)
        which = np.empty(company.size, dtype=np.int32)
        for one, rows in _by_cutoff(cutoff):
            which[rows] = self._known[spec].numbers(one, company[rows])
        return Rows(self._known[spec].different, which)

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
        there = self._known[spec].whole if spec in self._known else {}
        missing = self._missing(cutoffs, there)
        if not missing.size and spec in self._known:
            return
        found = [rows_of_part(part, missing, spec) for part in self._parts(missing.size)]
        numbers = self._added(found or [rows_of_part(self.inputs, missing, spec)], spec)
        if missing.size:
            by_cutoff = np.concatenate(numbers).reshape(-1, missing.size)
            learned = {int(one): by_cutoff[:, number].copy() for number, one in enumerate(missing)}
            self._known[spec].whole.update(learned)

    def learn_some(self, company: NDArray[np.int32], cutoff: NDArray[np.int32], spec: FeatureSpec) -> None:
        """Compute what is missing for some (company, cutoff) pairs, and for no others."""
        if spec not in self._known:
            self.learn((), spec)
        missing = []
        for one, rows in _by_cutoff(cutoff):
            wanted = np.unique(company[rows])
            wanted = wanted[self._known[spec].numbers(one, wanted) == _UNKNOWN]
            if wanted.size:
                missing.append((one, wanted))
        if not missing:
            return
        found = [
            rows_of_part(self.inputs.take(wanted), np.array([one], np.int32), spec) for one, wanted in missing
        ]
        for (one, wanted), number in zip(missing, self._added(found, spec), strict=True):
            self._known[spec].add(one, wanted, number)

    def _added(self, found: list[Rows], spec: FeatureSpec) -> list[NDArray[np.int32]]:
        """Move rows to the distinct ones that are known, and return their numbers there."""
        known = self._known.pop(spec, None) or _Known(Different(found[0].different.frame[:0]))
        parts = [known.different, *(one.different for one in found)]
        ends = np.cumsum([len(one) for one in parts]).tolist()
        which = [one.which for one in found]
        found.clear()
        every = Rows.united(parts)
        self._known[spec] = replace(known, different=every.different)
        return [every.which[start:][one] for start, one in zip(ends, which, strict=False)]

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
