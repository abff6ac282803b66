"""All or nothing: what a snapshot that is written leaves, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ml_sys.data import snapshot
from ml_sys.data.parts import overflow
from ml_sys.data.parts.buckets import buckets_of
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.schema import USAGE
from ml_sys.data.snapshot_id import Content
from ml_sys.data.snapshot_writing import SnapshotPart, Told, keep_quarantine, writing
from ml_sys.data.usage import UsageRows
from ml_sys.errors import MlsysError, SnapshotError, StorageError
from ml_sys.settings.description import default_form
from tests.data.tables import MEASURES, NOW, Tables, companies_of, usage_row
from tests.test_durable import largest_file


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


def test_files_of_usage_say_that_no_value_is_missing(tables: Tables) -> None:
    schema = pq.read_schema(tables.ingest().path / snapshot.USAGE)
    assert [field.name for field in schema if field.nullable] == []


def test_a_part_that_is_written_again_counts_once(tmp_path: Path) -> None:
    def stored(times: int) -> str:
        companies = companies_of(pd.DataFrame({"id": ["a", "b"], "industry": ["x", None]}))
        everyone = np.arange(2, dtype=np.int32)
        usage = UsageRows(everyone, np.array([7, 9]), np.ones((2, len(MEASURES)), np.int32), everyone)
        part = SnapshotPart(companies.part(everyone), everyone, buckets_of(companies.ids), usage)
        content = Content(companies, Quarantine().to_table(), 100, default_form())
        with writing(tmp_path, 1) as begun:
            for _ in range(times):
                begun.add(0, part, content.form)
            return begun.finish(content, Told({}, {}, NOW))[0].name

    assert stored(2) == stored(1)


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


@pytest.mark.parametrize("blocks", [0, 1, 2, 3, 5])
def test_a_full_disk_is_one_line_and_leaves_the_snapshot_before(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = tables.ingest(partitions=3)
    tables.usage.pop()
    tables.write()
    with largest_file(blocks), pytest.raises((SnapshotError, StorageError), match="File too large") as caught:
        tables.ingest_as_they_are(partitions=3, rows_in_memory=0)
    assert "\n" not in str(caught.value)
    assert snapshot.latest(tables.artifacts).id == report.id
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith((".tmp-", overflow.SCRATCH))]


INGESTS = """
import sys
from pathlib import Path
from tests.data.tables import Tables
tables = Tables(Path(sys.argv[1]))
tables.usage *= 50
print("ready", flush=True)
while True:
    tables.usage.append(tables.usage.pop(0))
    tables.usage[0], kept = tables.usage[0].replace("5,0", "6,0"), tables.usage[0]
    for partitions in (3, 5):
        tables.ingest(partitions=partitions, rows_in_memory=0)
        tables.usage[0] = kept
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are of Unix")
def test_a_full_disk_leaves_no_half_of_a_quarantine_that_waited_in_a_file(tmp_path: Path) -> None:
    with ExitStack() as stack:
        many = Quarantine(stack=stack, most=0)
        many.add(USAGE, "u.csv", [BadRow(at, "odd", f"{at * 2_654_435_761 % 2**32}") for at in range(3000)])
        rows = many.in_order()
        with largest_file(1), pytest.raises(MlsysError, match="File too large"):
            keep_quarantine(rows, tmp_path)
        assert [one.name for one in (tmp_path / "quarantine").iterdir()] == [".lock"]
        assert pq.read_table(keep_quarantine(rows, tmp_path)).num_rows == 3000


@pytest.mark.slow  # kills processes
def test_an_ingest_that_is_killed_leaves_a_whole_snapshot_and_nothing_that_the_next_does_not_remove(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.ingest()
    delays = random.Random(7)  # noqa: S311 - a moment, not a secret
    for _ in range(6):
        command = [sys.executable, "-c", INGESTS, str(tables.folder)]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(delays.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
        assert len(snapshot.latest(tables.artifacts).closed) == 11
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tables.ingest()
    left = [path.name for path in tmp_path.rglob("*")]
    assert not [name for name in left if name.startswith((".tmp-", overflow.SCRATCH))]


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
