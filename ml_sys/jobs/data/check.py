"""Judge the description that the settings hold, without storing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from ml_sys.data.judging.checking import Checked, Needs, check
from ml_sys.data.looking.opening import look_at
from ml_sys.jobs.data.ingest import refuse_unknown

if TYPE_CHECKING:
    from ml_sys.settings import Settings


def check_tables(settings: Settings) -> Checked:
    """Judge the tables that the settings describe; see :func:`ml_sys.data.judging.checking.check`."""
    schema = settings.schema_
    refuse_unknown(settings.ingest.files, schema)
    where = {name: settings.ingest.files.get(name) or table.file for name, table in schema.tables.items()}
    needs = Needs(settings.label.horizon_days, settings.split.holdout_cutoffs, settings.gate.min_positives)
    with duckdb.connect() as connection:
        return check(connection, schema, look_at(connection, where), needs)
