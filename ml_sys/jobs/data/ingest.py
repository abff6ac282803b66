"""Ingest the tables named in the settings, and store the good rows as a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.coverage import Coverage
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.sources import open_source
from ml_sys.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ml_sys.data.ingest_report import IngestReport
    from ml_sys.settings import SchemaSettings, Settings


def refuse_unknown(files: Mapping[str, str], schema: SchemaSettings) -> None:
    """Refuse a file given for a table that is not described, instead of ignoring it."""
    for name in files:
        if name not in schema.tables:
            near = nearest(name, schema.tables)
            meant = f"did you mean {near}? " if near else ""
            raise UsageError(
                f"ingest.files: {name!r} is not a table of the description",
                hint=f"{meant}described: {', '.join(schema.tables)}",
            )


def ingest_tables(
    settings: Settings, *, now: datetime, on_step: Callable[[str], None] = lambda _: None
) -> IngestReport:
    """Ingest the tables that the settings name; see :func:`ml_sys.data.ingest.ingest`."""
    chosen = settings.ingest
    refuse_unknown(chosen.files, settings.schema_)
    return ingest(
        Origin(
            open_source(chosen.source, database=chosen.database),
            settings.schema_,
            chosen.files,
        ),
        Rules(
            max_rejected_share=chosen.max_rejected_share,
            as_of=chosen.as_of,
            coverage=Coverage(settings.usage.row_period, chosen.min_coverage),
            unseen_days=_held_out_days(settings),
        ),
        settings.artifacts_dir,
        now=now,
        on_progress=lambda name, rows: on_step(f"{name}: {rows:,} rows"),
        partitions=settings.engine.partitions,
    )


def _held_out_days(settings: Settings) -> int:
    """Return the most days at the end that can belong to the holdout and its outcomes."""
    period, horizon = settings.usage.row_period, settings.label.horizon_days
    step = max(period.whole_days(settings.split.holdout_step_days), period.whole_days(horizon))
    return horizon + (settings.split.holdout_cutoffs - 1) * step + period.longest_days()
