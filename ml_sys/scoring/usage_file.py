"""Usage of prospects out of a file: of rows of periods, or of events."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.checking.validate import check
from ml_sys.data.company_index import CompanyIndex, GrowingIndex
from ml_sys.data.coverage import Coverage, covered_until
from ml_sys.data.events.tables import opened_events
from ml_sys.data.fields import AT, ID, columns_of, fields_of
from ml_sys.data.ingesting.run import IngestRun, OpenTable
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import USAGE
from ml_sys.data.sources import FileSource
from ml_sys.data.usage import UsageMeasures, join, of_companies, one_per_stamp, united
from ml_sys.days import days_of_stamps
from ml_sys.errors import EmptyTableError, UsageError
from ml_sys.features.inputs import measures_of
from ml_sys.scoring.prospects import NO_CLOCK, ProspectUsage
from ml_sys.settings.tables import LinkTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.data.usage import UsageRows
    from ml_sys.form import Form, UsageTable
    from ml_sys.settings import SchemaSettings


def read_usage(
    path: Path,
    schema: SchemaSettings,
    prospects: Any,
    coverage: Coverage,
    *,
    not_after: int = NO_CLOCK,
    wanted: Form | None = None,
) -> ProspectUsage:
    """Read a file of usage rows and keep those of the prospects.

    Parameters
    ----------
    schema : SchemaSettings
        What the tables mean; the file is like its only usage table.
    prospects : pyarrow.StringArray
        Ids.
    coverage : Coverage
        When a period counts as covered; the rows of all companies tell.
    not_after : int
        Day after which none does.
    wanted : Form, optional
        Of the model: its measures are given, and its kinds of event count; by default the description's.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or lacks a column.
    """
    described = usage_table(schema)
    counted = {one.name: one.kinds for one in wanted.tables if one.name == described.name} if wanted else {}
    form = schema.form(counted)
    if described.kind == "events":
        rows, everyone_at, quarantine = count_events(path, schema, described.name, form, coverage)
        end = covered_by_all(rows, coverage, not_after)
        who, when, values, others = of_prospects(rows, everyone_at, prospects)
        values = measures_of(values, form, wanted or form)
        return ProspectUsage(who, when, values, others, quarantine, end)
    measures, fields = UsageMeasures.of(form, described), fields_of(schema, described.name)
    opened = FileSource().open(described.name, str(path), columns_of(fields))
    index = CompanyIndex(prospects, frozenset())
    quarantine, batches, strangers, read = Quarantine(), [], 0, 0
    everyone: list[tuple[Any, Any]] = []
    for part in opened.parts:
        checked = check(part(), fields)
        quarantine.add(USAGE, opened.where, checked.bad)
        everyone.append((checked.columns[ID], coverage.complete_on(checked.columns[AT])))
        rows, unknown = of_companies(checked, index, measures)
        batches.append(rows)
        strangers += len(unknown)
        read += len(checked.lines) + len(checked.bad)
    opened.close()
    if not read:
        raise EmptyTableError(opened.where)
    rows = one_per_stamp(join(batches, measures), index, (USAGE, opened.where), quarantine)
    rows = united([(rows, measures)], form)
    stamp = days_of_stamps(rows.stamp)
    company = pa.chunked_array([ids for ids, _ in everyone]).combine_chunks().dictionary_encode().indices
    complete_on = np.concatenate([days for _, days in everyone])
    order = np.lexsort((complete_on, company.to_numpy()))
    end = covered_until(company.to_numpy()[order], complete_on[order], coverage, not_after=not_after)
    values = measures_of(rows.measures, form, wanted or form)
    return ProspectUsage(rows.company, stamp, values, strangers, quarantine, end)


def usage_table(schema: SchemaSettings) -> UsageTable:
    """Return the usage table that a single file of usage is like; refuse several, or links."""
    tables = schema.form().tables
    if len(tables) > 1 or schema.of(LinkTable):
        raise UsageError(
            f"one file cannot hold the usage that is described: {', '.join(one.name for one in tables)}",
            hint="run `mlsys ingest`, and leave --usage out",
        )
    return tables[0]


def count_events(
    path: Path, schema: SchemaSettings, table: str, form: Form, coverage: Coverage
) -> tuple[UsageRows, CompanyIndex, Quarantine]:
    """Count the events of a file, whoever did them.

    Parameters
    ----------
    table : str
        The described table that the file is like.
    form : Form
        Says which kinds are counted under their own names.

    Returns
    -------
    UsageRows
        Sorted by company and stamp.
    CompanyIndex
        Of all companies that any event is of.
    Quarantine
        Rows that were not taken.
    """
    fields = fields_of(schema, table)
    opened = FileSource().open(table, str(path), columns_of(fields))
    run = IngestRun({table: OpenTable(table, opened, fields)}, form, lambda _table, _rows: None)
    with ExitStack() as stack:
        stack.callback(opened.close)
        events = next(one for one in opened_events(schema, stack) if one.name == table)
        growing = GrowingIndex(frozenset())
        events.read(run, growing, growing.lost)
        index, order = growing.settled()
        events.log.move(order)
        events.merge_repeated(run, index)
        counted = events.counted(form, coverage.period)
    return united([(counted.rows, counted.measures)], form), index, run.quarantine


def of_prospects(
    rows: UsageRows, index: CompanyIndex, prospects: Any
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.integer], int]:
    """Return company, day and values of the rows of prospects, and how many rows are of others."""
    position = CompanyIndex(prospects, frozenset()).positions(index.ids)
    company = position[rows.company] if len(rows.company) else rows.company
    mine = np.flatnonzero(company >= 0)
    mine = mine[np.argsort(company[mine], kind="stable")]
    return company[mine], days_of_stamps(rows.stamp[mine]), rows.measures[mine], len(company) - len(mine)


def covered_by_all(rows: UsageRows, coverage: Coverage, not_after: int) -> int | None:
    """Return the day up to which the usage of all companies is covered; None where none is."""
    return covered_until(rows.company, coverage.complete_on(rows.stamp), coverage, not_after=not_after)
