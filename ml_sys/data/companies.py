"""Unite tables whose rows may repeat or contradict each other into one row per entity.

Invariant: which rows are kept depends on their content, never on their order.

Rows of one id that agree wherever both have a value are merged field by field, so no value is lost. If they
contradict each other, none is kept, and the id's usage goes to quarantine, too: nobody can say which row is
right, and a wrong conversion day is a wrong label. An id that converted in any table has converted; its
blanks are filled from its other rows. If the row with its conversion cannot be used, its other rows do not
count either, because it did convert. An entity exists from the earliest day in any of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import as_flags
from ml_sys.data.checking.values import day_text
from ml_sys.data.fields import CONVERTED_ON, ID, SINCE, VALUE
from ml_sys.data.quarantine import (
    CONFLICT,
    CUSTOMER_IN_QUARANTINE,
    MERGED_CUSTOMER,
    MERGED_DUPLICATE,
    Quarantine,
)
from ml_sys.data.reading.rows import BadRow, Where
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot_id import arrow_texts

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from ml_sys.form import Form

_TABLE, _LINE = "table", "line"


@dataclass(frozen=True)
class CompanyRows:
    """The good rows of one table of entities.

    Attributes
    ----------
    table : str
        Its name in the description.
    frame : pandas.DataFrame
        Columns line and the table's fields.
    where : str or FileLines
        File or table.
    bad_ids : frozenset of str
        Ids of rows that were rejected.
    """

    table: str
    frame: pd.DataFrame
    where: Where
    bad_ids: frozenset[str]


def reconcile(
    tables: Sequence[CompanyRows],
    form: Form,
    quarantine: Quarantine,
    *,
    unusable: frozenset[str] = frozenset(),
) -> tuple[pd.DataFrame, frozenset[str]]:
    """Keep one row per entity and put the others into quarantine.

    Parameters
    ----------
    quarantine : Quarantine
        Gets the rows that are set aside.
    unusable : frozenset of str
        Ids that converted by another table, on an unknown day.

    Returns
    -------
    companies : pandas.DataFrame
        Sorted by id; columns id, converted_on (int32 days, `NEVER_CLOSED` for none), value, since where the
        form has it (int32 days, `NEVER_BEGAN` where unknown), and the attributes.
    lost : frozenset of str
        Ids that were read but not kept.
    """
    reject = _Rejecting(tables, form, quarantine)
    attributes = [one.name for one in form.attributes]
    said = [CONVERTED_ON, VALUE, *attributes]
    rows = _united(tables, said)
    began = _since(rows)

    converted = rows[CONVERTED_ON] != NEVER_CLOSED
    paying, contradicted, repeated = _one_each(rows[converted], said)
    reject(contradicted, CONFLICT)
    reject(repeated, MERGED_DUPLICATE)

    others = rows[~converted]
    is_customer = _among(others[ID], arrow_texts(paying[ID]))
    reject(others[is_customer], MERGED_CUSTOMER)
    maybe = frozenset().union(*(one.bad_ids for one in tables if CONVERTED_ON in one.frame), unusable)
    unusable = (maybe | set(contradicted[ID])) - set(paying[ID])
    paying = _filled(paying, others[is_customer], attributes)
    did_pay = ~is_customer & _among(others[ID], pa.array(sorted(unusable), pa.string()))
    reject(others[did_pay], CUSTOMER_IN_QUARANTINE)

    free, contradicted, repeated = _one_each(others[~is_customer & ~did_pay], said)
    reject(contradicted, CONFLICT)
    reject(repeated, MERGED_DUPLICATE)

    free = free.assign(**{VALUE: np.nan})
    companies = pd.concat([paying[[ID, *said]], free[[ID, *said]]], ignore_index=True)
    companies[CONVERTED_ON] = companies[CONVERTED_ON].astype(np.int32)
    if began is not None:
        at = list(companies).index(VALUE) + 1
        companies.insert(at, SINCE, began.reindex(companies[ID]).to_numpy(np.int32))
    lost = unusable | set(contradicted[ID]) | frozenset().union(*(one.bad_ids for one in tables))
    kept = _among(companies[ID], pa.array(sorted(lost), pa.string()))
    return by_id(companies), frozenset(lost.difference(companies[ID][kept]))


def _among(ids: pd.Series[Any], some: Any) -> NDArray[np.bool_]:
    """Flag the ids that are in a `pyarrow.StringArray`."""
    return as_flags(pc.is_in(arrow_texts(ids), value_set=some))


def _are_distinct(ids: Any) -> bool:
    """Return whether the ids of a `pyarrow.StringArray` are distinct; fast if they are sorted."""
    ordered = ids.take(pc.sort_indices(ids))
    return not as_flags(pc.equal(ordered[1:], ordered[:-1])).any()


def by_id(companies: pd.DataFrame) -> pd.DataFrame:
    """Sort companies by the bytes of their ids."""
    order = pc.sort_indices(arrow_texts(companies[ID])).to_numpy()
    ordered: pd.DataFrame = companies.iloc[order].reset_index(drop=True)
    return ordered


def _united(tables: Sequence[CompanyRows], said: Sequence[str]) -> pd.DataFrame:
    """Stack tables; missing columns are blank, and a row without a conversion day has not converted."""
    frames = []
    for number, one in enumerate(tables):
        frame = one.frame.assign(**{_TABLE: np.int16(number)})
        if CONVERTED_ON not in frame:
            frame[CONVERTED_ON] = np.int32(NEVER_CLOSED)
        lacking = {name: np.nan for name in said if name not in frame}
        frames.append(frame.assign(**lacking) if lacking else frame)
    full = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(full, ignore_index=True) if len(full) > 1 else full[0].reset_index(drop=True)


def _since(rows: pd.DataFrame) -> pd.Series[Any] | None:
    """Return the earliest first day of each id, by id; None if no table has such days."""
    if SINCE not in rows:
        return None
    days = rows[SINCE].where(rows[SINCE] != NEVER_BEGAN)
    return days.groupby(rows[ID]).min().fillna(NEVER_BEGAN).astype(np.int32)


def _one_each(rows: pd.DataFrame, said: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Split rows into one per id, rows that contradict another of the same id, and repetitions."""
    if _are_distinct(arrow_texts(rows[ID])):
        return rows, rows[:0], rows[:0]
    several = rows[ID].duplicated(keep=False)
    group = rows[several]
    differ = group.groupby(ID)[list(said)].nunique().gt(1).any(axis=1)
    contradicted = group[ID].isin(differ.index[differ])
    agreeing = group[~contradicted]
    merged = agreeing.groupby(ID, as_index=False)[list(said)].first()
    filled = agreeing[list(said)].notna()
    lacking = [one.tobytes() for one in ~filled.to_numpy()[:, ::-1]]
    ranked = agreeing.assign(n_filled=-filled.sum(axis=1), lacking=lacking)
    unsaid = [SINCE] if SINCE in ranked else []
    ranked = ranked.sort_values([ID, "n_filled", "lacking", _TABLE, *unsaid, _LINE])
    repeats = ranked[ID].duplicated()
    kept = ranked.loc[~repeats, [name for name in rows.columns if name not in said]]
    kept = pd.concat([rows[~several], merged.merge(kept, on=ID)[rows.columns]])
    return kept, group[contradicted], ranked.loc[repeats, rows.columns]


def _filled(paying: pd.DataFrame, others: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """Fill blanks of entities that converted from their other rows, unless these contradict each other."""
    if others.empty or not attributes:
        return paying
    by_entity = others.groupby(ID)[list(attributes)]
    n_said = by_entity.nunique()
    said = by_entity.first().mask(n_said > 1)
    found = said.reindex(paying[ID]).set_index(paying.index)
    own = paying[list(attributes)]
    return paying.assign(**{name: own[name].where(own[name].notna(), found[name]) for name in attributes})


class _Rejecting:
    """Put rows into quarantine as they were written, each with the fields of its own table."""

    def __init__(self, tables: Sequence[CompanyRows], form: Form, quarantine: Quarantine) -> None:
        self._tables = tables
        self._none = {one.name: one.none for one in form.attributes if one.none is not None}
        self._quarantine = quarantine

    def __call__(self, rows: pd.DataFrame, reason: str) -> None:
        for number, table in enumerate(self._tables):
            mine = rows[rows[_TABLE] == number]
            if mine.empty:
                continue
            fields = [name for name in table.frame if name != _LINE]
            raws = [
                ",".join(_text(field, value, self._none) for field, value in row.items())
                for row in mine[fields].to_dict("records")
            ]
            bad = [BadRow(line, reason, raw) for line, raw in zip(mine[_LINE].tolist(), raws, strict=True)]
            self._quarantine.add(table.table, table.where, bad)


def _text(field: Hashable, value: Any, none: Mapping[str, float]) -> str:
    if pd.isna(value) or (field in {CONVERTED_ON, SINCE} and value in {NEVER_CLOSED, NEVER_BEGAN}):
        return ""
    if field in {CONVERTED_ON, SINCE}:
        return day_text(value)
    if isinstance(value, float):
        return f"{none.get(str(field), value) if np.isinf(value) else value:.15g}"
    return str(value)
