"""Rows of features, with equal rows kept once.

On a weekly panel most rows repeat, as a company without usage looks the same every week. Functions of a row
are computed once per distinct row, and taking rows only copies their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.features.usage_digests import mixed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


# The bits of a zero below zero, as an integer.
_BELOW_ZERO = np.iinfo(np.int32).min
# Rows to score at a time; encoded they take some hundred megabytes.
BLOCK_ROWS = 2**17


@dataclass(frozen=True)
class Levels:
    """The distinct values of a column.

    Attributes
    ----------
    known : ndarray of shape (n_values,)
        Numbers as float64, ascending with blanks last and distinct in their bits; or texts as object.
    code : ndarray of shape (n_different,), unsigned
        Position of each distinct row's value.
    """

    known: NDArray[Any]
    code: NDArray[np.unsignedinteger[Any]]


class Different:
    """Distinct rows, with cached results that several uses share.

    Parameters
    ----------
    frame : DataFrame of shape (n_different, n_features)
        With a default index.
    digests : ndarray of shape (n_different,), uint64, optional
        Of the rows, if known.
    """

    def __init__(self, frame: pd.DataFrame, digests: NDArray[np.uint64] | None = None) -> None:
        self.frame = frame
        self._digests = digests
        self._levels: dict[tuple[str, bool], Levels] = {}

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def is_stored(self) -> bool:
        """Return False, as the rows are in memory."""
        return False

    def names(self) -> list[str]:
        """Return the names of the columns, in order."""
        return [str(name) for name in self.frame.columns]

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, a value for each row."""
        values: NDArray[Any] = self.frame[name].to_numpy()
        return values

    def taken(self, rows: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """Return some rows, in the order given."""
        return self.frame.take(rows).reset_index(drop=True)

    def digests(self) -> NDArray[np.uint64]:
        """Return a 64-bit digest of each row."""
        if self._digests is None:
            self._digests = _digests(self.frame)
        return self._digests

    def exact_digests(self) -> NDArray[np.uint64]:
        """Return a 64-bit digest of each row that also distinguishes 0.0 from -0.0."""
        exact = self.digests().copy()
        for at, name in enumerate(self.frame.columns):
            column = self.frame[name].to_numpy()
            if column.dtype == np.float32:
                exact += (column.view(np.int32) == _BELOW_ZERO) * mixed(np.array([at + 1], dtype=np.uint64))
        return exact

    def numbers(self, name: str) -> Levels:
        """Return the levels of a column of numbers."""
        return self._kept(name, numbers=True)

    def texts(self, name: str) -> Levels:
        """Return the levels of a column of texts."""
        return self._kept(name, numbers=False)

    def _kept(self, name: str, *, numbers: bool) -> Levels:
        key = (name, numbers)
        if key not in self._levels:
            column = pd.Series(self.column(name)) if self.is_stored else self.frame[name]
            self._levels[key] = (_of_numbers if numbers else _of_texts)(column)
        return self._levels[key]


@dataclass(frozen=True)
class Rows:
    """Rows of features, each given by the number of a distinct row.

    Attributes
    ----------
    different : Different
        The distinct rows, some of which may no longer be used.
    which : ndarray of shape (n_rows,), int32
    weight : ndarray of shape (n_rows,), float64, optional
        Number of rows of the whole panel that each stands for; by default only itself.
    """

    different: Different
    which: NDArray[np.int32]
    weight: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, rows: Rows | pd.DataFrame) -> Rows:
        """Return rows unchanged, or make rows from a frame without merging equal ones."""
        if isinstance(rows, Rows):
            return rows
        return cls(Different(rows.reset_index(drop=True)), np.arange(len(rows), dtype=np.int32))

    @classmethod
    def merged(cls, frame: pd.DataFrame, digest: NDArray[np.uint64] | None = None) -> Rows:
        """Merge equal rows of a frame, in order of first appearance.

        Rows are grouped by a 64-bit digest, computed if not given, and compared value by value with the first
        of their group; rows with the same digest that differ are kept separate.
        """
        return cls.united([Different(frame, digest)])

    @classmethod
    def united(cls, parts: list[Different]) -> Rows:
        """Concatenate several frames and merge equal rows; see :meth:`merged`.

        The list is emptied, and the parts of each column are released once they are joined, so there is never
        more than about one copy of everything, unless others hold the parts.
        """
        digest = np.concatenate([one.digests() for one in parts])
        names = list(parts[0].frame.columns)
        columns = [{name: one.frame[name].to_numpy() for name in names} for one in parts]
        parts.clear()
        leader = leaders(digest)
        follows = np.flatnonzero(leader != np.arange(leader.size))
        differ = np.zeros(follows.size, dtype=bool)
        for name in names if follows.size else ():
            column = np.concatenate([one[name] for one in columns])
            differ |= _differ(column[follows], column[leader[follows]])
        leader[follows[differ]] = follows[differ]
        kept = np.flatnonzero(leader == np.arange(leader.size))
        number = np.empty(leader.size, dtype=np.int32)
        number[kept] = np.arange(kept.size, dtype=np.int32)
        once = {name: np.concatenate([one.pop(name) for one in columns])[kept] for name in names}
        return cls(Different(pd.DataFrame(once, copy=False), digest[kept]), number[leader])

    def __len__(self) -> int:
        return self.which.size

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Return some rows, in the order given."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.different, self.which[rows], weight)

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows in independent blocks, so that results of one can be released."""
        if len(self) <= BLOCK_ROWS:
            yield self.in_memory()
            return
        for start in range(0, len(self), BLOCK_ROWS):
            once, place = self.take(np.arange(start, min(start + BLOCK_ROWS, len(self)))).once()
            yield Rows.of(once.frame()).take(place)

    def once(self) -> tuple[Rows, NDArray[np.intp]]:
        """Return the distinct rows, and for each row its position among them; weights play no part."""
        wanted = np.zeros(len(self.different), dtype=bool)
        wanted[self.which] = True
        present = np.flatnonzero(wanted).astype(np.int32)
        if present.size == len(self):
            return self, np.arange(len(self))
        return Rows(self.different, present), (np.cumsum(wanted) - 1)[self.which]

    def alone(self) -> Rows:
        """Return the same rows without unused distinct rows, if most are unused."""
        if not self.different.is_stored and len(self.different) <= 2 * len(self):
            return self
        once, place = self.once()
        different = Different(once.frame(), once.digests())
        return Rows(different, place.astype(np.int32), self.weight)

    def in_memory(self) -> Rows:
        """Return the same rows in memory."""
        return self.alone() if self.different.is_stored else self

    def names(self) -> list[str]:
        """Return the names of the columns, in order."""
        return self.different.names()

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, a value for each row."""
        values: NDArray[Any] = self.different.column(name)[self.which]
        return values

    def frame(self) -> pd.DataFrame:
        """Return all columns, a value for each row."""
        return self.different.taken(self.which)

    def times(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """Return the total weight of each distinct row, of shape (n_different,)."""
        times: NDArray[Any] = np.bincount(self.which, weights=self.weight, minlength=len(self.different))
        return times

    def standing_for(self) -> int:
        """Return the number of rows of the whole panel that they stand for."""
        return len(self) if self.weight is None else round(float(self.weight.sum()))

    def digests(self) -> NDArray[np.uint64]:
        """Return a 64-bit digest of each row."""
        return self.different.digests()[self.which]


def together(found: list[Rows], known: list[Different]) -> tuple[Different, list[NDArray[np.int32]]]:
    """Merge several rows with the known ones, keeping equal rows once; both lists are emptied.

    Returns
    -------
    different : Different
        The known ones first.
    numbers : list of ndarray, int32
        The number of each found row among them.
    """
    parts = known or [Different(found[0].different.frame[:0])]
    parts += [one.different for one in found]
    ends = np.cumsum([len(one) for one in parts]).tolist()
    which = [one.which for one in found]
    found.clear()
    every = Rows.united(parts)
    return every.different, [every.which[start:][one] for start, one in zip(ends, which, strict=False)]


def leaders(key: NDArray[Any]) -> NDArray[np.intp]:
    """Return for each key the position of the first equal key."""
    group, seen = pd.factorize(key)
    first = np.empty(seen.size, dtype=np.intp)
    first[group[::-1]] = np.arange(group.size)[::-1]  # the last to be written is the first of the group
    return first[group]


def _digests(frame: pd.DataFrame) -> NDArray[np.uint64]:
    hashed: Any = pd.util.hash_pandas_object(frame, index=False).to_numpy(dtype=np.uint64)
    digests: NDArray[np.uint64] = hashed
    return digests


def _differ(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    if one.dtype == np.float32:
        return np.asarray(one.view(np.int32) != other.view(np.int32))
    both_blank = pd.isna(one) & pd.isna(other)
    return np.asarray((one != other) & ~both_blank, dtype=np.bool_)


def _of_numbers(column: pd.Series) -> Levels:
    raw = np.ascontiguousarray(column.to_numpy(dtype=np.float64))
    code, bits = pd.factorize(raw.view(np.int64))
    known = np.asarray(bits, dtype=np.int64).view(np.float64)
    order = np.argsort(known, kind="stable")
    place = np.empty(order.size, dtype=np.intp)
    place[order] = np.arange(order.size)
    return Levels(known[order], _small(place, order.size)[code])


def _of_texts(column: pd.Series) -> Levels:
    code, known = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=False)
    return Levels(np.asarray(known, dtype=object), _small(code, len(known)))


def _small(code: NDArray[np.intp], n: int) -> NDArray[np.unsignedinteger[Any]]:
    """Return codes below n in as few bytes as possible."""
    small: NDArray[np.unsignedinteger[Any]] = code.astype(np.min_scalar_type(max(n - 1, 0)))
    return small
