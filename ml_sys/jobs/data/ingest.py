"""Ingest the tables named in the settings, and store the good rows as a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.coverage import Coverage
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ml_sys.data.ingest_report import IngestReport
    from ml_sys.settings import Settings


def ingest_tables(
    settings: Settings, *, now: datetime, on_step: Callable[[str], None] = lambda _: None
) -> IngestReport:
    """Ingest the tables that the settings name; see :func:`ml_sys.data.ingest.ingest`."""
    chosen = settings.ingest
    return ingest(
        Origin(
            open_source(chosen.source, database=chosen.database),
            settings.schema_,
            customers=chosen.customers,
            noncustomers=chosen.noncustomers,
            usage=chosen.usage,
        ),
        Rules(
            max_rejected_share=chosen.max_rejected_share,
            as_of=chosen.as_of,
            coverage=Coverage(settings.usage.row_period, chosen.min_coverage),
        ),
        settings.artifacts_dir,
        now=now,
        on_progress=lambda name, rows: on_step(f"{name}: {rows:,} rows"),
    )
