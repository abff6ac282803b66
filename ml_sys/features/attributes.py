"""Turn attributes of entities (number, ordered, range, category, flag) into features.

Values are those at the export, not at the cutoff. If blanks of an attribute get filled in for converters, the
encoder imputes them, and only an explicit setting makes blanks a feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ml_sys.elementary import log10
from ml_sys.features.spellings import MISSING, normalised, range_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from ml_sys.form import Attribute

_T = TypeVar("_T")
# Kinds whose values are numbers.
NUMERIC = frozenset({"number", "flag"})
# How a missing attribute and a text unknown to the version are logged.
BLANK_INPUT, UNSEEN_INPUT = "{}, blank", "{}, unknown to the version"
_MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Attributes:
    """Attributes of anonymous entities, known by position only.

    Attributes
    ----------
    described : tuple of Attribute
    columns : tuple of ndarray of shape (n_companies,)
        Numbers and flags as float64, infinite for "none" and NaN for a blank; others as text, None for a
        blank.
    n_companies : int
    """

    described: tuple[Attribute, ...]
    columns: tuple[NDArray[Any], ...]
    n_companies: int

    @classmethod
    def of(cls, described: tuple[Attribute, ...], rows: Sequence[Sequence[object]]) -> Attributes:
        """Build attributes from a row of values for each entity, None for blanks."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(described)
        values = tuple(_values(one, column) for one, column in zip(described, columns, strict=True))
        return cls(described, values, len(rows))

    @classmethod
    def from_companies(cls, companies: pd.DataFrame, described: tuple[Attribute, ...]) -> Attributes:
        """Take only the columns of attributes from a table."""
        values = tuple(_from_column(one, companies[one.name]) for one in described)
        return cls(described, values, len(companies))

    @classmethod
    def from_batch(cls, batch: pa.RecordBatch, described: tuple[Attribute, ...]) -> Attributes:
        """Take only the columns of attributes from a batch of checked rows."""
        values = tuple(_from_arrow(one, batch.column(one.name)) for one in described)
        return cls(described, values, batch.num_rows)

    def take(self, companies: slice | NDArray[np.integer[Any]]) -> Attributes:
        """Return the attributes of some entities, in the order given."""
        places = np.arange(self.n_companies)[companies]
        return Attributes(self.described, tuple(one[companies] for one in self.columns), places.size)


def feature_names(described: Iterable[Attribute], *, with_missingness: bool) -> list[str]:
    """Return the names of the features of attributes: numbers, categories and flags for blanks.

    Parameters
    ----------
    with_missingness : bool
        Whether leaking blanks are features, too.
    """
    numbers, categories, missing = [], [], []
    for one in described:
        categories += category_names([one])
        if one.kind == "category":
            continue
        numbers.append(number_name(one))
        if one.none is not None:
            numbers.append(one.none_feature)
        if with_missingness or not one.blank_leaks:
            missing.append(missing_name(one))
    return [*numbers, *categories, *missing]


def number_name(one: Attribute) -> str:
    """Return the name of an attribute's number."""
    return f"log_{one.feature}" if one.kind == "number" and one.scale == "log" else one.feature


def missing_name(one: Attribute) -> str:
    """Return the name of the feature that says whether an attribute is blank."""
    return f"{one.feature}_missing"


def category_names(described: Iterable[Attribute]) -> list[str]:
    """Return the names of the features that are texts."""
    return [
        one.feature if one.kind == "category" else one.name
        for one in described
        if one.kind in {"category", "range"}
    ]


def telling_blanks(described: Iterable[Attribute], names: Container[str]) -> dict[str, str]:
    """Return for each attribute the feature that is blank if the attribute is missing.

    For a number that has a feature for "none", only that feature distinguishes "none" from a blank.
    """
    found = {}
    for one in described:
        if one.kind in {"category", "range"}:
            told = name = one.feature if one.kind == "category" else one.name
        else:
            told, name = one.feature, one.none_feature if one.none is not None else number_name(one)
        if name in names:
            found[told] = name
    return found


def attribute_columns(attributes: Attributes, *, with_missingness: bool) -> dict[str, NDArray[np.generic]]:
    """Turn attributes into one column per feature.

    Parameters
    ----------
    attributes : Attributes
        Of n_companies entities.
    with_missingness : bool
        Whether a leaking blank becomes a feature of its own.

    Returns
    -------
    dict of str to ndarray of shape (n_companies,)
        Numbers as float32 with NaN for blanks, categories as object with None for blanks that are imputed; a
        blank category that does not leak is the level ``"missing"``.
    """
    columns: dict[str, NDArray[np.generic]] = {}
    for one, values in zip(attributes.described, attributes.columns, strict=True):
        shown = with_missingness or not one.blank_leaks
        if one.kind == "category":
            columns[one.feature] = _category(one, values, blank=MISSING if shown else None)
            continue
        columns |= _numeric(one, values) if one.kind in NUMERIC else _textual(one, values)
        if shown:
            columns[missing_name(one)] = blanks(values).astype(np.float32)
    return columns


def blanks(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Flag the blank values of an attribute."""
    if values.dtype == object:
        return np.array([value is None for value in values], dtype=np.bool_)
    missing: NDArray[np.bool_] = np.isnan(values)
    return missing


def _numeric(one: Attribute, values: NDArray[np.float64]) -> dict[str, NDArray[np.generic]]:
    none = np.isinf(values)
    known = np.where(none, np.nan, values)
    if one.scale == "log":
        known = log10(np.where(known > 0, known, np.nan))
    columns: dict[str, NDArray[np.generic]] = {
        number_name(one): np.clip(known, -_MOST, _MOST).astype(np.float32)
    }
    if one.none is not None:
        columns[one.none_feature] = np.where(np.isnan(values), np.nan, none).astype(np.float32)
    return columns


def _textual(one: Attribute, values: NDArray[np.object_]) -> dict[str, NDArray[np.generic]]:
    if one.kind == "range":
        read, places = _by_level(values, range_of)
        return {
            one.feature: np.array([number for number, _ in read], dtype=np.float32)[places],
            one.name: np.array([level for _, level in read], dtype=object)[places],
        }
    ordered = {normalised(level, {}): float(at) for at, level in enumerate(one.levels)}
    found, places = _by_level(values, lambda text: ordered.get(normalised(text, {}), np.nan))
    return {one.feature: np.array(found, dtype=np.float32)[places]}


def _category(one: Attribute, values: NDArray[np.object_], blank: str | None) -> NDArray[np.object_]:
    synonyms = dict(one.synonyms)
    found, places = _by_level(values, lambda text: normalised(text, synonyms))
    levels: NDArray[np.object_] = np.array(
        [None if blank is None and level == MISSING else level for level in found], dtype=object
    )[places]
    return levels


def _by_level(
    texts: NDArray[np.object_], function: Callable[[str | None], _T]
) -> tuple[list[_T], NDArray[np.intp]]:
    """Apply a function to the distinct texts; return its results, and the position of each text's result."""
    place = {text: at for at, text in enumerate(set(texts))}
    places = np.fromiter(map(place.__getitem__, texts), dtype=np.intp, count=texts.size)
    return [function(text) for text in place], places


def _values(one: Attribute, column: Sequence[Any]) -> NDArray[Any]:
    if one.kind in NUMERIC:
        return np.array([np.nan if value is None else value for value in column], dtype=np.float64)
    texts = np.empty(len(column), dtype=object)
    texts[:] = [None if value is None else str(value) for value in column]
    return texts


def _from_column(one: Attribute, column: pd.Series) -> NDArray[Any]:
    if one.kind in NUMERIC:
        numbers: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers
    code, levels = column.factorize()  # so that a text is there once, however many rows have it
    texts: NDArray[np.object_] = np.array([*map(str, levels), None], dtype=object)[code]
    return texts


def _from_arrow(one: Attribute, column: Any) -> NDArray[Any]:
    if one.kind in NUMERIC:
        numbers: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
        return numbers
    encoded = column.dictionary_encode()  # so that a text is made once, not once a row
    levels = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    texts: NDArray[np.object_] = levels[encoded.indices.fill_null(-1).to_numpy()]
    return texts
