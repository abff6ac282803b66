"""The companies of an ingest in columns, in as few bytes as hold them.

Invariant: every value comes back from its column as it was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.fields import CONVERTED_ON, ID, SINCE, VALUE
from ml_sys.data.schema import NEVER_CLOSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.form import Form

_BLANK = -1
_CODES = (np.int8, np.int16, np.int32)


@dataclass(frozen=True)
class Texts:
    """n texts as codes of distinct ones.

    Attributes
    ----------
    codes : ndarray of shape (n,), of signed integers
        Position among the distinct texts; -1 for a blank.
    distinct : pyarrow.StringArray
    """

    codes: NDArray[Any]
    distinct: Any

    @classmethod
    def of(cls, texts: Any) -> Texts:
        """Code a `pyarrow.StringArray`."""
        encoded = texts.dictionary_encode()
        codes = encoded.indices.fill_null(_BLANK).to_numpy()
        return cls(codes.astype(_kind_of_codes(len(encoded.dictionary))), encoded.dictionary)

    @classmethod
    def blank(cls, n: int) -> Texts:
        """Return blanks, which take no memory."""
        return cls(np.broadcast_to(np.int8(_BLANK), n), pa.array([], pa.string()))

    @classmethod
    def joined(cls, pieces: Sequence[Texts]) -> Texts:
        """Join texts."""
        coded = [
            pa.DictionaryArray.from_arrays(np.arange(len(one.distinct), dtype=np.int32), one.distinct)
            for one in pieces
        ]
        united: Any = pa.chunked_array(coded).unify_dictionaries()
        distinct = united.chunk(0).dictionary
        kind = _kind_of_codes(len(distinct))
        codes = np.empty(sum(len(one) for one in pieces), kind)
        end = 0
        for one, chunk in zip(pieces, united.chunks, strict=True):
            start, end = end, end + len(one)
            moved = np.append(chunk.indices.to_numpy(), _BLANK).astype(kind)  # -1 is the last place
            codes[start:end] = moved[one.codes]
        return cls(codes, distinct)

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, at: NDArray[np.integer[Any]]) -> Texts:
        """Return the texts at some positions."""
        return Texts(self.codes.take(at), self.distinct)

    def plain(self) -> Any:
        """Return the texts as a `pyarrow.StringArray`."""
        codes = np.ascontiguousarray(self.codes)
        return self.distinct.take(pa.array(codes, mask=codes == _BLANK))


def narrow(column: NDArray[Any]) -> NDArray[Any]:
    """Hold numbers in fewer bytes, if none changes by it."""
    held = np.iinfo(np.int32)
    if column.dtype == np.int64 and len(column) and held.min <= column.min() and column.max() <= held.max:
        return column.astype(np.int32)
    if column.dtype == np.float64:
        with np.errstate(over="ignore"):
            half = column.astype(np.float32)
        if np.array_equal(half, column, equal_nan=True):
            return half
    return column


def joined(pieces: Sequence[NDArray[Any] | Texts]) -> NDArray[Any] | Texts:
    """Join the pieces of a column, of which all are texts or none is."""
    texts = [one for one in pieces if isinstance(one, Texts)]
    numbers = [one for one in pieces if not isinstance(one, Texts)]
    return Texts.joined(texts) if texts else np.concatenate([one for one in numbers if len(one)] or numbers)


@dataclass(frozen=True)
class Companies:
    """The n companies of an ingest, sorted by the bytes of their ids.

    Attributes
    ----------
    ids : pyarrow.StringArray
    converted_on : ndarray of shape (n,), int32
        Days since 1970-01-01; `NEVER_CLOSED` for none.
    value : ndarray of shape (n,), float32 or float64
        NaN for none.
    since : ndarray of shape (n,), int32, or None
        Days since 1970-01-01, `NEVER_BEGAN` where unknown; None if the form has no such day.
    attributes : mapping of str to column
        Numbers (NaN for a blank) or `Texts`, in the order of the form.
    """

    ids: Any
    converted_on: NDArray[np.int32]
    value: NDArray[np.floating[Any]]
    since: NDArray[np.int32] | None
    attributes: Mapping[str, NDArray[Any] | Texts]

    @classmethod
    def without_tables(cls, ids: Any, form: Form) -> Companies:
        """Return companies of which only the (sorted) ids are known."""
        blank = np.broadcast_to(np.float32(np.nan), len(ids))
        closed = np.full(len(ids), NEVER_CLOSED, np.int32)
        return cls(ids, closed, blank, None, {one.name: blank for one in form.attributes})

    def __len__(self) -> int:
        return len(self.converted_on)

    def free_again(self, as_of: int) -> Companies:
        """Return the companies as of a day: those that converted later are prospects."""
        later = (self.converted_on > as_of) & (self.converted_on != NEVER_CLOSED)
        if not later.any():
            return self
        closed = np.where(later, np.int32(NEVER_CLOSED), self.converted_on)
        return replace(
            self, converted_on=closed, value=np.where(later, self.value.dtype.type(np.nan), self.value)
        )

    def is_blank(self, attribute: str) -> NDArray[np.bool_]:
        """Flag the companies of which an attribute is not known."""
        column = self.attributes[attribute]
        blank: NDArray[np.bool_] = column.codes == _BLANK if isinstance(column, Texts) else np.isnan(column)
        return blank

    def part(self, at: NDArray[np.integer[Any]]) -> dict[str, Any]:
        """Return the columns of some companies, as they are stored.

        Returns
        -------
        dict of str to array
            Texts as `pyarrow.StringArray`, days as int32, other numbers as float64.
        """
        found = {ID: self.ids.take(pa.array(at)), CONVERTED_ON: self.converted_on.take(at)}
        found[VALUE] = self.value.take(at).astype(np.float64)
        if self.since is not None:
            found[SINCE] = self.since.take(at)
        for name, column in self.attributes.items():
            some = column.take(at)
            found[name] = some.plain() if isinstance(some, Texts) else some.astype(np.float64)
        return found


def _kind_of_codes(n: int) -> type[np.signedinteger[Any]]:
    return next(kind for kind in _CODES if n <= np.iinfo(kind).max)
