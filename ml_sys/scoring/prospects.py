"""Read a file of prospects: attributes to be joined with usage, or ready feature columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.data.checking.scalars import Fault
from ml_sys.data.checking.validate import check
from ml_sys.data.checking.values import amounts, free_texts, ids
from ml_sys.data.companies import CompanyRows, reconcile
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.fields import ID, SINCE, columns_of, id_column, prospect_fields
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.reading.rows import BadRow, Rows
from ml_sys.data.schema import NONCUSTOMERS
from ml_sys.data.sources import FileSource
from ml_sys.days import latest_cutoff
from ml_sys.errors import EmptyTableError, NotEnoughDataError
from ml_sys.features.inputs import measures_of
from ml_sys.text import with_article

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.settings import SchemaSettings

DUPLICATE, NO_CLOCK = "duplicate id", int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class Companies:
    """Prospects as exported, one row each, in the order of the file.

    Attributes
    ----------
    frame : DataFrame of n rows
        id, since where it is known, and the attributes.
    quarantine : Quarantine
        Rows that were not taken.
    read : int
        Rows of the file.
    """

    frame: pd.DataFrame
    quarantine: Quarantine
    read: int


@dataclass(frozen=True)
class Ready:
    """Prospects whose features are in the file.

    Attributes
    ----------
    ids : ndarray of shape (n,), object
    features : DataFrame of shape (n, n_features)
    """

    ids: Any
    features: pd.DataFrame
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
        Rows of companies that are not among the prospects; left out.
    covered_until : int or None
        Day up to which the usage of all companies is covered; None where none is.
    """

    company: Any
    stamp: Any
    values: Any
    strangers: int
    quarantine: Quarantine
    covered_until: int | None


def read_prospects(path: Path, schema: SchemaSettings, spec: FeatureSpec) -> Companies | Ready:
    """Read a file of prospects.

    A file that has every feature column of the model is taken as ready; any other one must have the columns
    of noncustomers.

    Parameters
    ----------
    path : Path
        CSV (plain, .gz, .zst) or Parquet.
    schema : SchemaSettings
        What the tables mean.
    spec : FeatureSpec
        Of the model that will score.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or lacks a column.
    """
    named = id_column(schema)
    only_id = FileSource().open("prospects", str(path), {ID: named})
    only_id.close()
    names = spec.names()
    if set(names) <= set(only_id.extra):
        return _ready(path, named, names, spec.categories())
    form, fields = schema.form(), prospect_fields(schema)
    may_lack = {name for name, one in fields.items() if one.may_lack}
    opened = FileSource().open("prospects", str(path), columns_of(fields), may_lack)
    fields = {name: one for name, one in fields.items() if name not in opened.lacks}
    quarantine, frames, bad_ids, read = Quarantine(), [], set(), 0
    for part in opened.parts:
        checked = check(part(), fields)
        quarantine.add(NONCUSTOMERS, opened.where, checked.bad)
        quarantine.add_blanked(NONCUSTOMERS, checked.blanked)
        bad_ids |= set(checked.bad_ids)
        read += len(checked.lines) + len(checked.bad)
        columns = {name: _plain(column) for name, column in checked.columns.items()}
        frames.append(pd.DataFrame({"line": checked.lines} | columns))
    opened.close()
    if not read:
        raise EmptyTableError(opened.where)
    frame = pd.concat(frames, ignore_index=True)
    rows = CompanyRows(NONCUSTOMERS, frame, opened.where, frozenset(bad_ids))
    one_each, _ = reconcile([rows], form, quarantine)
    kept = one_each.set_index("id").loc[frame["id"][frame["id"].isin(one_each["id"])].unique()].reset_index()
    if kept.empty:
        raise NotEnoughDataError(
            f"{path}: none of its {read:,} rows can be scored", hint=f"rejected: {_reasons(quarantine)}"
        )
    wanted = [ID, *([SINCE] if SINCE in kept else []), *(one.name for one in form.attributes)]
    return Companies(kept[wanted], quarantine, read)


def free_companies(known: Snapshot, spec: FeatureSpec, as_of: int | None) -> Companies:
    """Return the companies of a snapshot that are free on a day, by default the latest that usage covers."""
    day = covered_by(known, spec) if as_of is None else as_of
    day = known.as_of if day is None else day
    free = (known.closed >= day) & (known.since < day)
    columns, words = ["id", *(one.name for one in known.form.attributes)], known.form.words
    frame = known.companies.loc[free, columns].assign(since=known.since[free]).reset_index(drop=True)
    if frame.empty:
        raise NotEnoughDataError(
            f"{known.path}: holds no {words.entity.one} that is not {with_article(words.customer.one)}",
            hint="name a file of prospects",
        )
    return Companies(frame, Quarantine(), len(frame))


def usage_of(snapshot: Snapshot, prospects: Sequence[str], spec: FeatureSpec) -> ProspectUsage:
    """Take the usage of prospects out of a snapshot; those it does not know have none."""
    position = CompanyIndex(list(prospects), frozenset()).positions(
        pa.array(snapshot.companies["id"], pa.string())
    )
    company = position[snapshot.usage_company]
    mine = company >= 0
    order = np.argsort(company[mine], kind="stable")
    return ProspectUsage(
        company[mine][order],
        snapshot.usage_stamp[mine][order],
        measures_of(snapshot.usage_values, snapshot.form, spec.form)[mine][order],
        0,
        Quarantine(),
        covered_by(snapshot, spec),
    )


def covered_by(snapshot: Snapshot, spec: FeatureSpec) -> int | None:
    """Return the day up to which a snapshot's usage is covered; None where it holds none."""
    if not snapshot.usage_stamp.size:
        return None
    return latest_cutoff(snapshot.usage_stamp, snapshot.as_of, spec.period)


def _ready(path: Path, id_column: str, names: list[str], categories: list[str]) -> Ready:
    opened = FileSource().open("prospects", str(path), {ID: id_column, **{name: name for name in names}})
    quarantine, frames, read = Quarantine(), [], 0
    for part in opened.parts:
        rows = part()
        read += len(rows.lines) + len(rows.bad)
        quarantine.add(NONCUSTOMERS, opened.where, rows.bad)
        frame, bad = _numbers(rows, names, set(categories), id_column)
        quarantine.add(NONCUSTOMERS, opened.where, bad)
        frames.append(frame)
    opened.close()
    if not read:
        raise EmptyTableError(opened.where)
    frame = pd.concat(frames, ignore_index=True)
    again = frame["id"].duplicated()
    quarantine.add(
        NONCUSTOMERS,
        opened.where,
        [
            BadRow(int(line), DUPLICATE, str(name))
            for line, name in zip(frame["line"][again], frame["id"][again], strict=True)
        ],
    )
    frame = frame[~again].reset_index(drop=True)
    if frame.empty:
        raise NotEnoughDataError(
            f"{path}: none of its {read:,} rows can be scored", hint=f"rejected: {_reasons(quarantine)}"
        )
    return Ready(frame["id"].to_numpy(dtype=object), frame[names], quarantine, read)


def _numbers(
    rows: Rows, names: list[str], categories: set[str], id_column: str
) -> tuple[pd.DataFrame, list[BadRow]]:
    """Read ready feature columns; a row with a value that is not a number is set aside with its reason."""
    named = ids(rows.texts["id"])
    columns: dict[str, Any] = {"line": rows.lines, "id": _plain(named.values)}
    faults = {id_column: named.faults}
    for name in names:
        read = free_texts(rows.texts[name]) if name in categories else amounts(rows.texts[name])
        faults[name] = read.faults
        columns[name] = _plain(read.values) if name in categories else np.asarray(read.values, np.float32)
    reasons: dict[int, str] = {}
    for name, found in faults.items():
        if found is not None:
            for at in np.flatnonzero(found).tolist():
                reasons.setdefault(at, f"{name} {Fault(found[at]).reason}")
    good = np.ones(len(rows.lines), dtype=bool)
    good[list(reasons)] = False
    bad = [BadRow(int(rows.lines[at]), reason, rows.raw(at)) for at, reason in sorted(reasons.items())]
    return pd.DataFrame(columns)[good], bad


def _plain(column: Any) -> Any:
    return column if isinstance(column, np.ndarray) else column.to_numpy(zero_copy_only=False)


def _reasons(quarantine: Quarantine) -> str:
    return ", ".join(f"{reason} ({n:,})" for reason, n in quarantine.rejected(NONCUSTOMERS).items())
