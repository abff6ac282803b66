"""Three small good tables, written by the test that spoils them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml_sys.data.coverage import Coverage
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.ingest_report import IngestReport
from ml_sys.data.ingesting.company_columns import Companies, Texts, narrow
from ml_sys.data.schema import CUSTOMERS, NEVER_CLOSED, NONCUSTOMERS, USAGE
from ml_sys.data.snapshot import QUARANTINE
from ml_sys.data.snapshot_id import arrow_texts
from ml_sys.data.sources import FileSource
from ml_sys.settings import SchemaSettings
from ml_sys.settings.description import default_form

MEASURES = default_form().measure_names
ACTIONS = MEASURES[: default_form().n_activity]
COUNTS = ("5", "0", "2", "1", "2", "0", "1", "1")
HEADERS = {
    CUSTOMERS: "CLOSEDATE,MRR,ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id",
    NONCUSTOMERS: "ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id",
    USAGE: "WHEN_TIMESTAMP,ACTIONS_CRM_CONTACTS,ACTIONS_CRM_COMPANIES,ACTIONS_CRM_DEALS,ACTIONS_EMAIL,"
    "USERS_CRM_CONTACTS,USERS_CRM_COMPANIES,USERS_CRM_DEALS,USERS_EMAIL,id",
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXPORTED, EVERY_ROW_COUNTS = "2020-02-12", Coverage(min_coverage=0.0)
_ORIGIN, _RULES = ("customers", "noncustomers", "usage"), ("max_rejected_share", "as_of", "coverage")
PAID_IDS, FREE_IDS, WEEKS = ("c1", "c2", "c3"), tuple(f"n{i}" for i in range(1, 9)), ("06", "13", "20")


def usage_row(company: str, stamp: str = "2020-02-03", counts: tuple[str, ...] = COUNTS) -> str:
    """Write a usage row."""
    return ",".join((stamp, *counts, company))


def _customers() -> list[str]:
    return [f"2020-02-{i + 10},{i}99.5,{1000 + i},2 to 5,RETAIL,{name}" for i, name in enumerate(PAID_IDS)]


def _noncustomers() -> list[str]:
    return [f"{2000 + i},6 to 10,,{name}" for i, name in enumerate(FREE_IDS)]


def _usage() -> list[str]:
    return [usage_row(name, f"2020-01-{day} 00:00:00.000") for name in PAID_IDS + FREE_IDS for day in WEEKS]


@dataclass
class Tables:
    """Rows of three tables, without their headers.

    Line 2 of a file is the first row of its list.
    """

    folder: Path
    customers: list[str] = field(default_factory=_customers)
    noncustomers: list[str] = field(default_factory=_noncustomers)
    usage: list[str] = field(default_factory=_usage)

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def rows(self, table: str) -> list[str]:
        return {CUSTOMERS: self.customers, NONCUSTOMERS: self.noncustomers, USAGE: self.usage}[table]

    def path(self, table: str) -> Path:
        return self.folder / f"{table}.csv"

    def write(self) -> None:
        for table, header in HEADERS.items():
            self.path(table).write_text("\n".join([header, *self.rows(table), ""]), encoding="utf-8")

    def ingest(self, **changes: Any) -> IngestReport:
        """Write the tables and ingest them, with every share of bad rows allowed and all usage covered."""
        self.write()
        return self.ingest_as_they_are(**changes)

    def ingest_as_they_are(self, **changes: Any) -> IngestReport:
        """Ingest the files that are there."""
        asked: dict[str, Any] = {
            "customers": str(self.path(CUSTOMERS)),
            "noncustomers": str(self.path(NONCUSTOMERS)),
            "usage": str(self.path(USAGE)),
            "artifacts_dir": self.artifacts,
            "max_rejected_share": 1.0,
            "now": NOW,
            "as_of": EXPORTED,
            "coverage": EVERY_ROW_COUNTS,
        } | changes
        source, schema = asked.pop("source", FileSource()), asked.pop("schema", SchemaSettings())
        origin = Origin(source, schema, {name: asked.pop(name) for name in _ORIGIN})
        rules = Rules(**{name: asked.pop(name) for name in _RULES})
        return ingest(origin, rules, asked.pop("artifacts_dir"), **asked)


def companies_of(frame: pd.DataFrame) -> Companies:
    """Return the companies of a frame, as ingest holds them; columns that it lacks are blank."""
    n = len(frame)
    known = {name: column.to_numpy() for name, column in frame.items()}
    known = {"id": [""] * n, "converted_on": [NEVER_CLOSED] * n, "value": [np.nan] * n} | known
    days = {name: np.array(known[name], np.int32) for name in ("converted_on", "since") if name in known}
    attributes = {
        str(name): narrow(column.to_numpy(np.float64))
        if column.dtype.kind in "if"
        else Texts.of(arrow_texts(column))
        for name, column in frame.items()
        if name not in {"id", "value", *days}
    }
    ids = pa.array(list(known["id"]), pa.string())
    value = narrow(np.array(known["value"], np.float64))
    return Companies(ids, days["converted_on"], value, days.get("since"), attributes)


def quarantined(report: IngestReport) -> list[tuple[str, int, str]]:
    """Return table, line and reason of every row in quarantine, by table and line."""
    rows = pq.read_table(report.path / QUARANTINE).to_pylist()
    return sorted((row["table"], row["line"], row["reason"]) for row in rows)


def adds_up(report: IngestReport) -> bool:
    """Tell whether accepted + quarantined = read, for every table, in the report and on the disk."""
    listed = [row["table"] for row in pq.read_table(report.path / QUARANTINE).to_pylist()]
    return all(
        found.read == found.accepted + sum(found.rejected.values()) + sum(found.merged.values())
        and listed.count(table) == found.read - found.accepted
        for table, found in report.tables.items()
    )
