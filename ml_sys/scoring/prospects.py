"""Read a file of prospects: firmographics to be joined with usage, or ready feature columns."""

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
from ml_sys.data.coverage import Coverage, covered_until
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.reading.rows import BadRow, RawTable, Rows
from ml_sys.data.schema import CUSTOMERS, FIELDS, MEASURES, NONCUSTOMERS, USAGE, column_names
from ml_sys.data.sources import FileSource
from ml_sys.data.usage import join, of_companies, one_per_stamp
from ml_sys.days import days_of_stamps, latest_cutoff
from ml_sys.errors import EmptyTableError, NotEnoughDataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ml_sys.data.snapshot import Snapshot
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.settings import SchemaSettings

DUPLICATE = "duplicate id"
NO_CLOCK = int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class Companies:
    """Prospects as exported, one row each, in the order of the file.

    Attributes
    ----------
    frame : DataFrame of shape (n, 4)
        id, alexa_rank, employee_range, industry.
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
        Column names.
    spec : FeatureSpec
        Of the model that will score.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or lacks a column.
    """
    only_id = FileSource().open("prospects", str(path), {"id": schema.id})
    only_id.close()
    names = spec.names()
    if set(names) <= set(only_id.extra):
        return _ready(path, schema.id, names, spec.categories())
    opened = FileSource().open("prospects", str(path), column_names(NONCUSTOMERS, schema))
    quarantine, frames, bad_ids, read = Quarantine(), [], set(), 0
    for part in opened.parts:
        checked = check(part(), column_names(NONCUSTOMERS, schema), float(schema.unranked))
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
    nobody = CompanyRows(pd.DataFrame(columns=["line", *FIELDS[CUSTOMERS]]), opened.where, frozenset())
    one_each, _ = reconcile(
        nobody,
        CompanyRows(frame, opened.where, frozenset(bad_ids)),
        quarantine,
        unranked=float(schema.unranked),
    )
    kept = one_each.set_index("id").loc[frame["id"][frame["id"].isin(one_each["id"])].unique()].reset_index()
    if kept.empty:
        raise NotEnoughDataError(
            f"{path}: none of its {read:,} rows can be scored", hint=f"rejected: {_reasons(quarantine)}"
        )
    return Companies(kept[["id", "alexa_rank", "employee_range", "industry"]], quarantine, read)


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
        snapshot.usage_values[mine][order],
        0,
        Quarantine(),
        covered_by(snapshot, spec),
    )


def covered_by(snapshot: Snapshot, spec: FeatureSpec) -> int | None:
    """Return the day up to which a snapshot's usage is covered; None where it holds none."""
    if not snapshot.usage_stamp.size:
        return None
    return latest_cutoff(snapshot.usage_stamp, snapshot.as_of, spec.period)


def read_usage(
    path: Path,
    schema: SchemaSettings,
    prospects: Sequence[str],
    coverage: Coverage,
    *,
    not_after: int = NO_CLOCK,
) -> ProspectUsage:
    """Read a file of usage rows and keep those of the prospects.

    Parameters
    ----------
    schema : SchemaSettings
        Column names.
    prospects : sequence of str
        Ids.
    coverage : Coverage
        When a period counts as covered; the rows of all companies tell.
    not_after : int
        Day after which none does.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or lacks a column.
    """
    columns = column_names(USAGE, schema)
    opened = FileSource().open(USAGE, str(path), columns)
    index = CompanyIndex(list(prospects), frozenset())
    quarantine, batches, strangers, read = Quarantine(), [], 0, 0
    everyone: list[tuple[Any, Any]] = []
    for part in opened.parts:
        checked = check(part(), columns, float(schema.unranked))
        quarantine.add(USAGE, opened.where, checked.bad)
        everyone.append((checked.columns["id"], coverage.complete_on(checked.columns["when_timestamp"])))
        rows, unknown = of_companies(checked, index)
        batches.append(rows)
        strangers += len(unknown)
        read += len(checked.lines) + len(checked.bad)
    opened.close()
    if not read:
        raise EmptyTableError(opened.where)
    rows = one_per_stamp(join(batches), index, opened.where, quarantine)
    stamp = days_of_stamps(rows.stamp)
    values = rows.measures.reshape(-1, len(MEASURES))
    company = pa.chunked_array([ids for ids, _ in everyone]).combine_chunks().dictionary_encode().indices
    complete_on = np.concatenate([days for _, days in everyone])
    order = np.lexsort((complete_on, company.to_numpy()))
    end = covered_until(company.to_numpy()[order], complete_on[order], coverage, not_after=not_after)
    return ProspectUsage(rows.company, stamp, values, strangers, quarantine, end)


def _ready(path: Path, id_column: str, names: list[str], categories: list[str]) -> Ready:
    opened: RawTable = FileSource().open(
        "prospects", str(path), {"id": id_column, **{name: name for name in names}}
    )
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
