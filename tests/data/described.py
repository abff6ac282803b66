"""Tables of any form, written and ingested by the test that describes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.coverage import Coverage
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import Snapshot, load
from ml_sys.data.sources import open_source
from ml_sys.days import Period
from ml_sys.settings import SchemaSettings

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.data.ingest_report import IngestReport

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAILY = Period("day")
VISITS = {"kind": "periods", "id": "team", "at": "day", "measures": {"visits": {"column": "visits"}}}


def write(folder: Path, **tables: str) -> dict[str, str]:
    """Write tables, each given as lines with spaces around them, and return their places."""
    places = {}
    for name, text in tables.items():
        path = folder / f"{name}.csv"
        lines = [line.strip() for line in text.strip().splitlines()]
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
        places[name] = str(path)
    return places


def ingested(
    folder: Path, description: dict[str, Any], files: dict[str, str], **more: Any
) -> tuple[Snapshot, IngestReport]:
    """Ingest described tables, with every share of bad rows allowed and all usage covered."""
    schema = SchemaSettings.model_validate(description)
    coverage = Coverage(more.pop("period", DAILY), min_coverage=0.0)
    source = open_source(more.pop("source", "file"), database=more.pop("database", ""))
    now = more.pop("now", NOW)
    rules = Rules(more.pop("max_rejected_share", 1.0), coverage=coverage, **more)
    report = ingest(Origin(source, schema, files), rules, folder / "artifacts", now=now)
    return load(report.path), report


def told(snapshot: Snapshot) -> list[tuple[Any, ...]]:
    """Return usage as id, day and values."""
    ids = snapshot.companies["id"].to_numpy(dtype=object)[snapshot.usage_company]
    days = snapshot.usage_stamp.astype("datetime64[D]").astype(str)
    return [(*row, *values) for *row, values in zip(ids, days, snapshot.usage_values.tolist(), strict=True)]


def day(text: str) -> int:
    """Return a day as a number."""
    return int(np.datetime64(text, "D").astype(int))
