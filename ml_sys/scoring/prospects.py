"""Read a file of prospects: attributes to be joined with usage, or ready feature columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.data.checking.columns import Column
from ml_sys.data.checking.scalars import Fault
from ml_sys.data.checking.validate import Checked, check
from ml_sys.data.checking.values import amounts, free_texts, ids
from ml_sys.data.companies import CompanyRows, reconcile
from ml_sys.data.fields import ID, columns_of, id_column, prospect_fields
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.reading.rows import BadRow, RawRows, TypedTexts
from ml_sys.data.schema import NONCUSTOMERS
from ml_sys.data.sources import FileSource
from ml_sys.errors import EmptyTableError, NotEnoughDataError
from ml_sys.features.attributes import NUMERIC
from ml_sys.scoring.streaming.held import BATCH_ROWS, HeldRows, as_arrow
from ml_sys.scoring.streaming.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ml_sys.data.fields import Field
    from ml_sys.data.reading.rows import RawTable, Where
    from ml_sys.engine.places import Place
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.form import Form
    from ml_sys.settings import SchemaSettings

DUPLICATE, NO_CLOCK, LINE = "duplicate id", int(np.iinfo(np.int32).max), "line"


@dataclass(frozen=True)
class ProspectTable:
    """Prospects as exported, one row each, in the order of the file.

    Attributes
    ----------
    rows : HeldRows of n rows
        id, since if it is known, and the attributes.
    quarantine : Quarantine
        Rejected rows.
    read : int
        Number of rows in the file.
    """

    rows: HeldRows
    quarantine: Quarantine
    read: int

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All rows as one table."""
        batches = [batch for _, batch in self.rows.batches()]
        return pa.Table.from_batches(batches).to_pandas().drop(columns=LINE, errors="ignore")


@dataclass(frozen=True)
class Ready:
    """Prospects whose features are in the file.

    Attributes
    ----------
    rows : HeldRows of n rows
        id and the features.
    """

    rows: HeldRows
    quarantine: Quarantine
    read: int


@dataclass(frozen=True)
class ProspectUsage:
    """Usage of known companies, sorted by company and day.

    Attributes
    ----------
    company, stamp : ndarray of shape (n,), int32
        Position of the company; day of the stamp, rounded up.
    values : ndarray of shape (n, n_measures), int32
    strangers : int
        Number of rows of companies that are not among the prospects, which are left out.
    covered_until : int or None
        Day up to which the usage of all companies is covered; None if none is.
    """

    company: Any
    stamp: Any
    values: Any
    strangers: int
    quarantine: Quarantine
    covered_until: int | None


def read_prospects(path: Place, schema: SchemaSettings, spec: FeatureSpec) -> ProspectTable | Ready:
    """Read a file of prospects.

    A file with every feature column of the model has ready features; any other file must have the columns of
    the noncustomers.

    Parameters
    ----------
    path : Path or Address
        CSV (plain, .gz, .zst) or Parquet.
    schema : SchemaSettings
        The description of the tables.
    spec : FeatureSpec
        Of the model that will score.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or lacks a column.
    """
    named = id_column(schema)
    source = FileSource()
    only_id = source.open("prospects", str(path), {ID: named})
    only_id.close()
    names = spec.names()
    if set(names) <= set(only_id.extra):
        return _ready(source, path, named, names, spec.categories())
    form, fields = schema.form(), prospect_fields(schema)
    may_lack = {name for name, one in fields.items() if one.may_lack}
    opened = source.open("prospects", str(path), columns_of(fields), may_lack)
    fields = {name: one for name, one in fields.items() if name not in opened.lacks}
    quarantine, rows, read = Quarantine(spec.form.words), HeldRows(), 0
    for checked, batch in side_by_side(partial(_checked, fields=fields, form=form), _pieces(opened)):
        quarantine.add(NONCUSTOMERS, opened.place, checked.bad)
        quarantine.add_blanked(NONCUSTOMERS, opened.place, checked.blanked)
        read += len(checked.lines) + len(checked.bad)
        rows.add(batch)
    quarantine.add_notes(NONCUSTOMERS, opened.notes)
    opened.close()
    if not read:
        raise EmptyTableError(opened.where)
    rows = _one_each(rows, form, list(fields), opened.place, quarantine)
    if not len(rows):
        raise NotEnoughDataError(
            f"{path}: none of its {read:,} rows can be scored", hint=f"rejected: {_reasons(quarantine)}"
        )
    return ProspectTable(rows, quarantine, read)


def _ready(source: FileSource, path: Place, id_column: str, names: list[str], categories: list[str]) -> Ready:
    opened = source.open("prospects", str(path), {ID: id_column, **{name: name for name in names}})
    quarantine, held, read = Quarantine(), HeldRows(), 0
    numbers = partial(_numbers, names=names, categories=set(categories), id_column=id_column)
    for batch, bad in side_by_side(numbers, _pieces(opened)):
        read += batch.num_rows + len(bad)
        quarantine.add(NONCUSTOMERS, opened.place, bad)
        held.add(batch)
    quarantine.add_notes(NONCUSTOMERS, opened.notes)
    opened.close()
    if not read:
        raise EmptyTableError(opened.where)
    places = held.again()
    if places.size:
        rows_again = held.take(places)
        repeats = pd.Series(rows_again.column(ID).to_pylist()).duplicated().to_numpy()
        lines, names_again = rows_again.column(LINE).to_pylist(), rows_again.column(ID).to_pylist()
        bad = [
            BadRow(int(str(lines[at])), DUPLICATE, str(names_again[at]))
            for at in np.flatnonzero(repeats).tolist()
        ]
        quarantine.add(NONCUSTOMERS, opened.place, bad)
        dropped = np.zeros(len(held), dtype=bool)
        dropped[places[repeats]] = True
        held = held.without(dropped, rows_again.slice(0, 0), places[:0])
    if not len(held):
        raise NotEnoughDataError(
            f"{path}: none of its {read:,} rows can be scored", hint=f"rejected: {_reasons(quarantine)}"
        )
    return Ready(held, quarantine, read)


def _one_each(
    rows: HeldRows, form: Form, fields: list[str], where: Where, quarantine: Quarantine
) -> HeldRows:
    """Keep one row per company, at the position of its first; see :func:`ml_sys.data.companies.reconcile`."""
    places = rows.again()
    if not places.size:
        return rows
    batch = rows.take(places)
    frame = pd.DataFrame({name: _plain(batch.column(name)) for name in (LINE, *fields)})
    one_each, _ = reconcile([CompanyRows(NONCUSTOMERS, frame, where, frozenset())], form, quarantine)
    first = np.flatnonzero(~frame[ID].duplicated().to_numpy() & frame[ID].isin(one_each[ID]).to_numpy())
    kept = one_each.set_index(ID).loc[frame[ID].iloc[first]].reset_index()
    columns = {
        name: as_arrow(kept[name]).cast(batch.schema.field(name).type) if name in kept else batch.column(name)
        for name in batch.schema.names
    }
    columns[LINE] = batch.column(LINE).take(first)
    dropped = np.zeros(len(rows), dtype=bool)
    dropped[places] = True
    dropped[places[first]] = False
    return rows.without(dropped, pa.RecordBatch.from_pydict(columns), places[first])


def _pieces(opened: RawTable) -> Iterator[tuple[RawRows]]:
    for part in opened.parts:
        for piece in part().pieces(BATCH_ROWS):
            yield (piece,)


def _checked(rows: RawRows, fields: Mapping[str, Field], form: Form) -> tuple[Checked, pa.RecordBatch]:
    """Check rows, and return the good ones with all attributes; missing ones are blank."""
    checked = check(rows, fields)
    n = len(checked.lines)
    lacks = (one for one in form.attributes if one.name not in checked.columns)
    blank = {
        one.name: np.full(n, np.nan) if one.kind in NUMERIC else pa.nulls(n, pa.string()) for one in lacks
    }
    return checked, pa.RecordBatch.from_pydict({LINE: checked.lines, **checked.columns, **blank})


def _numbers(
    rows: RawRows, names: list[str], categories: set[str], id_column: str
) -> tuple[pa.RecordBatch, list[BadRow]]:
    """Read ready feature columns; also return rejected rows, such as those with an invalid number."""
    named = ids(rows.texts["id"])
    columns: dict[str, Any] = {LINE: rows.lines, ID: named.values}  # noqa: PD011 - no column of pandas
    faults = {id_column: named.faults}
    for name in names:
        values, faults[name] = free_texts(rows.texts[name]) if name in categories else _amounts(rows, name)
        columns[name] = values if name in categories else np.asarray(values, np.float32)
    reasons: dict[int, str] = {}
    for name, found in faults.items():
        if found is not None:
            for at in np.flatnonzero(found).tolist():
                reasons.setdefault(at, f"{name} {Fault(found[at]).reason}")
    good = np.ones(len(rows.lines), dtype=bool)
    good[list(reasons)] = False
    bad = [*rows.bad]
    bad += [BadRow(int(rows.lines[at]), reason, rows.raw(at)) for at, reason in sorted(reasons.items())]
    batch = pa.RecordBatch.from_pydict(columns)
    return batch.filter(pa.array(good)) if reasons else batch, bad


def _amounts(rows: RawRows, name: str) -> Column:
    """Read a column of finite numbers, parsing texts if it does not have numbers already."""
    typed = rows.texts.columns[name] if isinstance(rows.texts, TypedTexts) else None
    if typed is None or not (pa.types.is_integer(typed.type) or pa.types.is_floating(typed.type)):
        return amounts(rows.texts[name])
    values = typed.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) + 0.0  # zero has no sign
    endless = np.isinf(values)
    if not endless.any():
        return Column(values, None)
    return Column(np.where(endless, np.nan, values), endless * np.int8(Fault.NOT_NUMBER))


def _plain(column: Any) -> Any:
    return column if isinstance(column, np.ndarray) else column.to_numpy(zero_copy_only=False)


def _reasons(quarantine: Quarantine) -> str:
    return ", ".join(f"{reason} ({n:,})" for reason, n in quarantine.rejected(NONCUSTOMERS).items())
