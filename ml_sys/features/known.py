"""A cache of features by cutoff, shared by the fit, the canaries, past lists and the report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from ml_sys.features.compute import feature_columns, feature_frame
from ml_sys.features.rows import Different, Rows, together
from ml_sys.features.rules import rule_scores
from ml_sys.features.stored.rows import StoredPile, United
from ml_sys.features.windows import BLOCK_COMPANIES, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.features.inputs import FeatureInputs, InputPart, Inputs

    Ints = NDArray[np.int32]
    Pairs = list[tuple[int, Ints]]  # cutoffs, and companies of each
P = TypeVar("P")

# (Company, cutoff) pairs whose features are computed at a time; chosen ones that are kept until compared.
_BLOCK_ROWS, _CHOSEN_ROWS = 2**18, 2**16
# In place of a row's number where no feature of the pair was computed.
_UNKNOWN = -1


def rows_of_part(inputs: FeatureInputs, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Rows:
    """Return the features of every (company, cutoff) of a part of the companies, with equal rows kept once.

    A pure function of the part, so that parts may be computed anywhere, and in any number.
    """
    return Rows.merged(feature_frame(inputs, cutoffs, spec))


@dataclass(frozen=True)
class _Known:
    """Computed features: the distinct rows, and the number of each company's row.

    Attributes
    ----------
    whole : dict of int to ndarray of shape (n_companies,), int32
        Numbers by cutoff, for cutoffs with all companies.
    some : dict of int to tuple of ndarray
        Companies, ascending, and their numbers by cutoff, for cutoffs with some companies.
    """

    different: Different
    whole: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    some: dict[int, tuple[NDArray[np.int32], NDArray[np.int32]]] = field(default_factory=dict)

    def numbers(self, cutoff: int, company: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the numbers of companies at a cutoff; ``_UNKNOWN`` if not computed."""
        if cutoff in self.whole:
            return self.whole[cutoff][company]
        if cutoff not in self.some:
            return np.full(company.size, _UNKNOWN, dtype=np.int32)
        there, number = self.some[cutoff]
        place = np.minimum(np.searchsorted(there, company), there.size - 1)
        return np.where(there[place] == company, number[place], np.int32(_UNKNOWN))

    def add(self, cutoff: int, company: NDArray[np.int32], number: NDArray[np.int32]) -> None:
        """Add companies that were not known at a cutoff."""
        if cutoff in self.some:
            company, number = (
                np.concatenate(two) for two in zip(self.some[cutoff], (company, number), strict=True)
            )
        order = np.argsort(company)
        self.some[cutoff] = company[order], number[order]


class Pile(Protocol):
    """A collection of rows that are not known yet."""

    def add(self, rows: Rows) -> None:
        """Keep rows."""

    def united(self, known: list[Different]) -> United:
        """Merge the collected rows with the known ones, keeping equal rows once.

        Parameters
        ----------
        known : list of Different
            At most one; the list is emptied.

        Returns
        -------
        different : Different
            The known ones and those added.
        numbers : list of ndarray, int32
            The number among them of each row that was added, in the order in which they were.
        """


class KnownFeatures:
    """Features at the cutoffs requested so far, all from the same inputs.

    Adding a cutoff never changes another, as a feature depends only on its own cutoff.

    Parameters
    ----------
    inputs : Inputs
        Of n_companies companies. If they are stored on disk, computed features are stored as well.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._known: dict[FeatureSpec, _Known] = {}
        self._rules: dict[int, tuple[NDArray[np.bool_], dict[str, NDArray[np.float32]]]] = {}

    def apart(self) -> KnownFeatures:
        """Return a copy whose additions do not affect this one."""
        other = KnownFeatures(self.inputs)
        other._known = {
            spec: replace(known, whole=dict(known.whole), some=dict(known.some))
            for spec, known in self._known.items()
        }
        other._rules = self._rules
        return other

    def rows(self, cutoffs: NDArray[np.int32], spec: FeatureSpec) -> Rows:
        """Return the features of every (company, cutoff), company by company, cutoffs in the given order."""
        self.learn(cutoffs, spec)
        known = self._known[spec]
        numbers = [known.whole[int(cutoff)] for cutoff in cutoffs]
        return Rows(known.different, _company_by_company(numbers, np.int32))

    def some(self, company: NDArray[np.int32], cutoff: NDArray[np.int32], spec: FeatureSpec) -> Rows:
        """Return the features of some (company, cutoff) pairs, in the given order."""
        self.learn_some(company, cutoff, spec)
        which = np.empty(company.size, dtype=np.int32)
        for one, rows in _by_cutoff(cutoff):
            which[rows] = self._known[spec].numbers(one, company[rows])
        return Rows(self._known[spec].different, which)

    def rules(self, cutoffs: NDArray[np.int32]) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.float32]]]:
        """Return, for the same pairs, whether there was usage by then, and the scores of each simple rule."""
        missing = self._missing(cutoffs, self._rules)
        if missing.size:
            first, by_rule = np.empty((self.inputs.n_companies, missing.size), np.int32), dict[str, Any]()

            def keep(found: tuple[Ints, Ints, Mapping[str, Any]]) -> None:
                companies, first[companies], scores = found
                for name, score in scores.items():
                    every = by_rule.setdefault(name, np.empty(first.shape, dtype=np.float32))
                    every[companies] = score.reshape(-1, missing.size)

            self.inputs.each(partial(_rules, missing), keep)
            for number, cutoff in enumerate(missing):
                told = {name: score[:, number].copy() for name, score in by_rule.items()}
                self._rules[int(cutoff)] = (first[:, number] != NEVER, told)
        known = [self._rules[int(cutoff)] for cutoff in cutoffs]
        seen = _company_by_company([one for one, _ in known], np.bool_)
        names = known[0][1] if known else {}
        return seen, {
            name: _company_by_company([told[name] for _, told in known], np.float32) for name in names
        }

    def learn(self, cutoffs: Iterable[int] | NDArray[np.int32], spec: FeatureSpec) -> None:
        """Compute what is missing at some cutoffs; asking for them together is cheapest."""
        there = self._known[spec].whole if spec in self._known else {}
        missing = self._missing(cutoffs, there)
        if not missing.size:
            if spec not in self._known:  # what the columns are is known from no row as well
                pile = self._pile(spec)
                pile.add(rows_of_part(next(self.inputs.parts()).inputs, missing, spec))
                self._added(pile, spec)
            return
        by_cutoff = np.empty((missing.size, self.inputs.n_companies), dtype=np.int32)
        for companies, number in self._computed(partial(_features, missing, spec), spec):
            by_cutoff[:, companies] = number.reshape(-1, missing.size).T
        self._known[spec].whole.update(zip(missing.tolist(), by_cutoff, strict=True))

    def learn_some(self, company: NDArray[np.int32], cutoff: NDArray[np.int32], spec: FeatureSpec) -> None:
        """Compute what is missing for some (company, cutoff) pairs only."""
        missing = []
        for one, rows in _by_cutoff(cutoff):
            wanted = np.unique(company[rows])
            if spec in self._known:
                wanted = wanted[self._known[spec].numbers(one, wanted) == _UNKNOWN]
            if wanted.size:
                missing.append((one, wanted))
        if not missing:
            self.learn((), spec)
            return
        found = dict[int, Any]()
        for pairs, number in self._computed(partial(_features_of_pairs, missing, spec), spec):
            ends = np.cumsum([companies.size for _, companies in pairs])
            for (one, companies), mine in zip(pairs, np.split(number, ends[:-1]), strict=True):
                found.setdefault(one, []).append((companies, mine))
        for one, learned in found.items():
            self._known[spec].add(one, *(np.concatenate(two) for two in zip(*learned, strict=True)))

    def _computed(
        self, function: Callable[[InputPart], Iterable[tuple[P, Rows]]], spec: FeatureSpec
    ) -> Iterator[tuple[P, Ints]]:
        """Compute rows part by part, and yield what each batch of them is of, and their numbers."""
        pile, places = self._pile(spec), list[P]()

        def keep(made: tuple[P, Rows]) -> None:
            places.append(made[0])
            pile.add(made[1])

        self.inputs.each(function, keep)
        yield from zip(places, self._added(pile, spec), strict=True)

    def _pile(self, spec: FeatureSpec) -> Pile:
        """Return a collection for rows that are not known yet."""
        if not self.inputs.is_stored:
            return _InMemory()
        known = self._known.get(spec)
        return StoredPile(None if known is None else known.different)

    def _added(self, pile: Pile, spec: FeatureSpec) -> list[NDArray[np.int32]]:
        """Merge collected rows into the known ones, and return their numbers."""
        known = self._known.pop(spec, None)
        whole, some = ({}, {}) if known is None else (known.whole, known.some)
        before = [] if known is None else [known.different]
        del known
        different, numbers = pile.united(before)
        self._known[spec] = _Known(different, whole, some)
        return numbers

    def _missing(self, cutoffs: Any, known: Collection[int]) -> NDArray[np.int32]:
        return np.array(sorted({int(cutoff) for cutoff in cutoffs} - set(known)), dtype=np.int32)


class _InMemory:
    """Rows that are not known yet."""

    def __init__(self) -> None:
        self._found: list[Rows] = []

    def add(self, rows: Rows) -> None:
        """Keep rows."""
        self._found.append(rows)

    def united(self, known: list[Different]) -> United:
        """Keep equal rows once; see :class:`Pile`."""
        return together(self._found, known)


def _rules(cutoffs: Ints, part: InputPart) -> Iterator[tuple[Ints, Ints, Mapping[str, Any]]]:
    """Yield a part's companies, and what :func:`ml_sys.features.rules.rule_scores` says of them."""
    yield part.companies, *rule_scores(part.inputs, cutoffs)


def _features(cutoffs: Ints, spec: FeatureSpec, part: InputPart) -> Iterator[tuple[Ints, Rows]]:
    """Yield a part's companies, some at a time, and their features at each cutoff."""
    size = max(1, min(BLOCK_COMPANIES, _BLOCK_ROWS // max(cutoffs.size, 1)))
    start, every = 0, part.inputs
    for usage in every.usage.blocks(size):
        block = slice(start, start + usage.n_companies)
        start = block.stop
        own = every.attributes.take(block)
        inputs = replace(every, usage=usage, attributes=own, since=every.since[block])
        yield part.companies[block], rows_of_part(inputs, cutoffs, spec)


def _features_of_pairs(wanted: Pairs, spec: FeatureSpec, part: InputPart) -> Iterator[tuple[Pairs, Rows]]:
    """Yield a part's companies by cutoff that are wanted, and their features, many pairs at a time."""
    local = part.local(np.concatenate([companies for _, companies in wanted]))
    ends = np.cumsum([companies.size for _, companies in wanted])
    pairs: Pairs = []
    found: list[Columns] = []
    for number, ((cutoff, companies), mine) in enumerate(
        zip(wanted, np.split(local, ends[:-1]), strict=True), start=1
    ):
        here = mine >= 0
        if here.any():
            pairs.append((cutoff, companies[here]))
            at = np.array([cutoff], dtype=np.int32)
            found.append(feature_columns(part.inputs.take(mine[here]), at, spec))
        enough = sum(one.size for _, one in pairs) > _CHOSEN_ROWS or number == len(wanted)
        if pairs and enough:
            columns = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
            yield pairs, Rows.merged(pd.DataFrame(columns, copy=False))
            pairs, found = [], []


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
