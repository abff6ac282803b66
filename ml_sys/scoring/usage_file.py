"""Read the usage of prospects from files: rows of periods, events, or several tables of both."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.checking.validate import check_part
from ml_sys.data.company_index import CompanyIndex, GrowingIndex
from ml_sys.data.coverage import Coverage, covered_until
from ml_sys.data.events.tables import opened_events, read_events
from ml_sys.data.fields import AT, ID, columns_of, fields_of
from ml_sys.data.ingesting.run import IngestRun, OpenTable
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import USAGE
from ml_sys.data.sources import FileSource
from ml_sys.data.usage import UsageMeasures, join, of_companies, one_per_stamp, united
from ml_sys.days import days_of_stamps
from ml_sys.errors import EmptyTableError, UsageError, nearest
from ml_sys.features.inputs import measures_of
from ml_sys.scoring.prospects import NO_CLOCK, ProspectUsage
from ml_sys.settings.tables import LinkTable, PeriodTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.usage import UsageRows
    from ml_sys.engine.places import Place
    from ml_sys.form import Form
    from ml_sys.settings import SchemaSettings


def read_usage(
    where: Place | Mapping[str, str],
    schema: SchemaSettings,
    prospects: Any,
    coverage: Coverage,
    *,
    not_after: int = NO_CLOCK,
    wanted: Form | None = None,
) -> ProspectUsage:
    """Read usage, and keep that of the prospects.

    Parameters
    ----------
    where : Path, Address or mapping of str to str
        File of the only usage table; or file, folder or query by table, by default those in the description.
    schema : SchemaSettings
        The description of the tables.
    prospects : pyarrow.StringArray
        Ids.
    coverage : Coverage
        When a period counts as covered, judged by the rows of all companies.
    not_after : int
        Day after which no period counts.
    wanted : Form, optional
        The model's form, whose measures and kinds of event are used; by default the description's.

    Raises
    ------
    InputError
        If a file is missing, unreadable, empty or lacks a column.
    UsageError
        If a table has no location, or a named table has no usage.
    """
    places = places_of(where, schema)
    form = schema.form({one.name: one.kinds for one in wanted.tables} if wanted else {})
    if len(places) > 1 or form.tables[0].kind == "events":
        rows, everyone_at, quarantine = read_everyone(places, schema, form, coverage)
        end = covered_by_all(rows, coverage, not_after)
        who, when, values, others = of_prospects(rows, everyone_at, prospects)
        return ProspectUsage(who, when, measures_of(values, form, wanted or form), others, quarantine, end)
    (path,) = places.values()
    described = form.tables[0]
    measures, fields = UsageMeasures.of(form, described), fields_of(schema, described.name)
    opened = FileSource().open(described.name, path, columns_of(fields))
    index = CompanyIndex(prospects, frozenset())
    quarantine, batches, strangers, read = Quarantine(), [], 0, 0
    everyone: list[tuple[Any, Any]] = []
    for part in opened.parts:
        checked = check_part(part, fields)
        quarantine.add(USAGE, opened.place, checked.bad)
        everyone.append((checked.columns[ID].dictionary_encode(), coverage.complete_on(checked.columns[AT])))
        rows, unknown = of_companies(checked, index, measures)
        batches.append(rows)
        strangers += len(unknown)
        read += len(checked.lines) + len(checked.bad)
    quarantine.add_notes(USAGE, opened.notes)
    opened.close()
    if not read:
        raise EmptyTableError(opened.where)
    rows = one_per_stamp(join(batches, measures), index, (USAGE, opened.place), quarantine)
    rows = united([(rows, measures)], form)
    stamp = days_of_stamps(rows.stamp)
    named: Any = pa.chunked_array([ids for ids, _ in everyone]).unify_dictionaries()
    company = np.concatenate([ids.indices.to_numpy() for ids in named.chunks])
    complete_on = np.concatenate([days for _, days in everyone])
    order = np.lexsort((complete_on, company))
    end = covered_until(company[order], complete_on[order], coverage, not_after=not_after)
    values = measures_of(rows.measures, form, wanted or form)
    return ProspectUsage(rows.company, stamp, values, strangers, quarantine, end)


def places_of(where: Place | Mapping[str, str], schema: SchemaSettings) -> dict[str, str]:
    """Return the location of each table of usage and of links; refuse unknown and missing ones."""
    tables = [one.name for one in schema.form().tables] + list(schema.of(LinkTable))
    flags = " ".join(f"--table {name}=FILE" for name in tables)
    if not isinstance(where, Mapping):
        if len(tables) > 1:
            raise UsageError(
                f"one file cannot hold all described usage tables: {', '.join(tables)}",
                hint=f"give a file for each: {flags}",
            )
        return {tables[0]: str(where)}
    for name in where:
        if name not in tables:
            near = nearest(name, tables)
            hint = f"did you mean {near}? " if near else ""
            raise UsageError(f"--table {name}: there is no such table of usage", hint=f"{hint}Give {flags}")
    places = {name: where.get(name) or schema.tables[name].file for name in tables}
    for name, place in places.items():
        if not place:
            raise UsageError(
                f"the location of the table {name} is not known", hint=f"give --table {name}=FILE"
            )
    return places


def read_everyone(
    places: Mapping[str, str], schema: SchemaSettings, form: Form, coverage: Coverage
) -> tuple[UsageRows, CompanyIndex, Quarantine]:
    """Read usage tables and count events, of all companies.

    Parameters
    ----------
    places : mapping of str to str
        From :func:`places_of`.
    form : Form
        Decides which kinds of event get a count of their own.

    Returns
    -------
    UsageRows
        Sorted by company and stamp.
    CompanyIndex
        Of all companies with any row.
    Quarantine
        Rejected rows.
    """
    opened = {}
    with ExitStack() as stack:
        for name, place in places.items():
            fields = fields_of(schema, name)
            raw = FileSource().open(name, place, columns_of(fields))
            stack.callback(raw.close)
            opened[name] = OpenTable(name, raw, fields)
        run = IngestRun(opened, form, lambda _table, _rows: None)
        events = opened_events(schema, stack)
        growing = GrowingIndex(frozenset())
        usage = [run.usage(name, growing) for name in schema.of(PeriodTable)]
        read_events(run, schema, events, growing)
        index, order = growing.settled()
        usage = [run.one_per_stamp(one.moved(order), index) for one in usage]
        for one in events:
            one.log.move(order)
            one.merge_repeated(run, index)
        usage += [one.counted(form, coverage.period) for one in events]
    return united([(one.rows, one.measures) for one in usage], form), index, run.quarantine


def of_prospects(
    rows: UsageRows, index: CompanyIndex, prospects: Any
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.integer], int]:
    """Return company, day and values of the rows of prospects, and the number of other rows."""
    position = CompanyIndex(prospects, frozenset()).positions(index.ids)
    company = position[rows.company] if len(rows.company) else rows.company
    mine = np.flatnonzero(company >= 0)
    mine = mine[np.argsort(company[mine], kind="stable")]
    return company[mine], days_of_stamps(rows.stamp[mine]), rows.measures[mine], len(company) - len(mine)


def covered_by_all(rows: UsageRows, coverage: Coverage, not_after: int) -> int | None:
    """Return the day up to which the usage of all companies is covered; None if none is."""
    return covered_until(rows.company, coverage.complete_on(rows.stamp), coverage, not_after=not_after)
