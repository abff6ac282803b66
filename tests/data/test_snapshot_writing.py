"""All or nothing: what a snapshot that is written leaves, whatever happens meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ml_sys.data import snapshot
from ml_sys.data.schema import USAGE
from ml_sys.errors import SnapshotError
from tests.data.tables import Tables, usage_row


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


@pytest.mark.parametrize("name", snapshot.TABLES)
def test_a_damaged_snapshot_is_replaced_when_the_same_input_comes_again(tables: Tables, name: str) -> None:
    report = tables.ingest()
    (report.path / name).write_bytes(b"")
    again = tables.ingest()
    assert (again.id, again.is_new) == (report.id, True)
    assert snapshot.latest(tables.artifacts).id == report.id


def test_what_a_dead_process_left_is_ignored_and_removed_by_the_next_ingest(tables: Tables) -> None:
    report = tables.ingest()
    folder = tables.artifacts / "snapshots"
    leftover = folder / ".tmp-0123456789abcdef"
    leftover.mkdir()
    (leftover / snapshot.USAGE).write_bytes(b"half of i")
    half = folder / ".tmp-fedcba9876543210"
    half.write_bytes(b'{"id"')
    assert snapshot.latest(tables.artifacts).id == report.id
    tables.ingest()
    assert not leftover.exists()
    assert not half.exists()
    assert sorted(path.name for path in folder.iterdir()) == sorted([".lock", "latest.json", report.id])


def test_an_interrupted_write_leaves_no_snapshot(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        with pytest.raises(SnapshotError, match="No space left on device"):
            tables.ingest()
    assert not [path for path in (tables.artifacts / "snapshots").iterdir() if not path.name.startswith(".")]
    assert tables.ingest().is_new


def test_artifacts_that_cannot_be_written_are_one_clear_error(tables: Tables) -> None:
    tables.artifacts.write_text("a file")
    with pytest.raises(SnapshotError, match=r"cannot be written"):
        tables.ingest()


def test_the_manifest_says_where_the_rows_came_from(tables: Tables) -> None:
    tables.usage.append(usage_row("stranger"))
    now = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    manifest = json.loads((tables.ingest(now=now).path / snapshot.MANIFEST).read_text())
    assert manifest["created_at"] == "2025-12-31T23:30:00+00:00"
    assert manifest["sources"][USAGE] == str(tables.path(USAGE))
    assert manifest["read"] == {"customers": 3, "noncustomers": 8, "usage": 34}
    assert (manifest["companies"], manifest["customers"]) == (11, 3)
    assert (manifest["usage_rows"], manifest["quarantined"]) == (33, 1)
    assert set(manifest["sha256"]) == set(snapshot.TABLES)


def test_later_conversions_are_kept_beside_a_snapshot_that_was_known_too(tables: Tables) -> None:
    def later() -> dict[str, int]:
        return snapshot.converted_later(tables.artifacts)

    tables.ingest()
    assert later() == {}
    asked = {"as_of": "", "now": datetime(2020, 3, 1, tzinfo=UTC)}
    report = tables.ingest(**asked)
    assert later() == {"c1": 18_302, "c2": 18_303, "c3": 18_304}
    tables.ingest()
    again = tables.ingest(**asked)
    assert (again.is_new, again.id) == (False, report.id)
    assert later() == {"c1": 18_302, "c2": 18_303, "c3": 18_304}
