"""Usage that is sorted, dated and stored part by part is what it is in one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml_sys.data import snapshot
from ml_sys.data.coverage import Coverage
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.ingest_report import IngestReport
from ml_sys.data.sources import open_source
from ml_sys.settings import SchemaSettings
from tests.data.described import DAILY, NOW, VISITS, write
from tests.data.tables import Tables, usage_row

CUTS = [{"partitions": 3}, {"partitions": 16, "rows_in_memory": 5}, {"rows_in_memory": 0}]
TEAMS = {"kind": "entities", "id": "team", "converted_on": "paid"}
CALLS = VISITS | {"measures": {"calls": {"column": "calls"}}}
CLICKS = {"kind": "events", "id": "team", "at": "at", "event": "kind"}


def same(one: IngestReport, other: IngestReport) -> bool:
    """Tell whether two ingests came to the same, quarantine and all."""
    bad = [pq.read_table(report.path / snapshot.QUARANTINE) for report in (one, other)]
    found = [snapshot.load(report.path) for report in (one, other)]
    for column in ("closed", "since", "usage_company", "usage_stamp", "usage_values"):
        np.testing.assert_array_equal(*(getattr(each, column) for each in found))
    told = ("id", "as_of", "usage_rows", "tables", "conversion", "notes", "warnings")
    return bad[0].equals(bad[1]) and all(getattr(one, name) == getattr(other, name) for name in told)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, IngestReport]:
    tables = Tables(tmp_path_factory.mktemp("dirty"))
    tables.noncustomers += [tables.noncustomers[0], "1,a,,n99"]
    tables.usage += [tables.usage[0], usage_row("c1", "2020-01-06 00:00:00.000", ("9",) * 8)]
    tables.usage += [usage_row("stranger"), usage_row("n1", "soon"), usage_row("n2", "2020-02-10")]
    tables.usage += [usage_row(f"n{n}", "2020-02-03") for n in range(1, 6)]
    return tables, tables.ingest(as_of="2020-02-11")


@pytest.mark.parametrize("cut", CUTS)
def test_rows_that_repeat_contradict_or_are_late_are_told_alike_in_however_many_parts(
    dirty: tuple[Tables, IngestReport], cut: dict[str, Any], tmp_path: Path
) -> None:
    tables, whole = dirty
    again = tables.ingest_as_they_are(as_of="2020-02-11", artifacts_dir=tmp_path, **cut)
    assert same(again, whole)
    assert len(snapshot.parts(again.path)) == cut.get("partitions", 1)


@pytest.mark.parametrize("teams", [True, False])
def test_several_tables_and_events_are_put_side_by_side_in_each_part(tmp_path: Path, teams: bool) -> None:
    ids = [f"t{n}" for n in range(9)]
    days = [f"2024-03-{4 + n:02d}" for n in range(9)]
    rows = [*zip(ids, days, strict=True), *zip(ids[3:], days, strict=False)]
    late = [*rows[4:12], ("t2", "2024-03-20")]
    described: dict[str, Any] = {"visits": VISITS, "calls": CALLS, "clicks": CLICKS}
    tables = {
        "visits": "\n".join(["day,visits,team", *(f"{day},{len(who)},{who}" for who, day in rows)]),
        "calls": "\n".join(["day,calls,team", *(f"{day},3,{who}" for who, day in late)]),
        "clicks": "\n".join(["at,kind,team", *(f"{day} 12:00:00,open,{who}" for who, day in rows[::2])]),
    }
    if not teams:
        described["sales"] = {"kind": "purchases", "id": "team", "at": "paid"}
        tables["sales"] = "paid,team\n2024-03-09,t1\n2024-03-10,t77"
    else:
        described["teams"] = TEAMS
        tables["teams"] = "\n".join(
            ["team,paid", "t1,2024-03-09", *(f"{who}," for who in ids if who != "t1")]
        )
    files, schema = write(tmp_path, **tables), SchemaSettings.model_validate({"tables": described})
    found = [
        ingest(
            Origin(open_source("file"), schema, files),
            Rules(1.0, coverage=Coverage(DAILY, 0.0)),
            tmp_path / f"artifacts-{number}",
            now=NOW,
            **cut,
        )
        for number, cut in enumerate([{}, *CUTS])
    ]
    assert found[0].usage_rows > len(rows)
    assert all(same(one, found[0]) for one in found[1:])
