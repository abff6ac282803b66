"""Judge the tables that the settings describe, without storing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from ml_sys.data.fields import fields_of
from ml_sys.data.judging.checking import DescriptionCheck, Needs, check
from ml_sys.data.looking.opening import look_at, look_at_rows
from ml_sys.data.sources import FILE, open_source
from ml_sys.jobs.data.ingest import refuse_unknown
from ml_sys.settings.base import is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.data.looking.looked import Looked
    from ml_sys.settings import Settings


def check_tables(settings: Settings) -> DescriptionCheck:
    """Judge the tables that the settings describe; see :func:`ml_sys.data.judging.checking.check`."""
    schema = settings.schema_
    refuse_unknown(settings.ingest.files, schema)
    where = {name: settings.ingest.files.get(name) or table.file for name, table in schema.tables.items()}
    needs = Needs(settings.label.horizon_days, settings.split.holdout_cutoffs, settings.gate.min_positives)
    with duckdb.connect() as connection:
        if settings.ingest.source == FILE and not any(map(is_address, where.values())):
            return check(connection, schema, look_at(connection, where), needs)
        return check(connection, schema, _of_source(connection, settings, where), needs)


def _of_source(
    connection: duckdb.DuckDBPyConnection, settings: Settings, where: Mapping[str, str]
) -> dict[str, Looked]:
    """Look at the tables of storage, of a database or of the user's own class."""
    source = open_source(settings.ingest.source, database=settings.ingest.database)
    opened = {}
    for name, location in where.items():
        fields = fields_of(settings.schema_, name).values()
        columns = {one.column: one.column for one in fields}
        may_lack = {one.column for one in fields if one.may_lack}
        opened[name] = source.open(name, location, columns, may_lack)
    return look_at_rows(connection, opened)
