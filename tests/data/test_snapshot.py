"""What a snapshot promises: a name that follows from its content, all or nothing, and no unseen change."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml_sys.data import snapshot
from ml_sys.data.schema import MEASURES, NEVER_CLOSED, NONCUSTOMERS, USAGE
from ml_sys.errors import SnapshotError
from tests.data.tables import FREE_IDS, PAID_IDS, Tables, usage_row


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def test_what_is_loaded_is_what_was_ingested(tables: Tables) -> None:
    tables.usage = [
        usage_row("n2", "2020-01-13", tuple("12345678")),
        usage_row("c1", "2020-01-06", tuple("11111111")),
        usage_row("n2", "2020-01-06", tuple("87654321")),
    ]
    report = tables.ingest()
    loaded = snapshot.latest(tables.artifacts)
    assert (loaded.id, loaded.path) == (report.id, report.path)
    assert loaded.companies["id"].tolist() == sorted(PAID_IDS + FREE_IDS)
    assert list(loaded.companies) == ["id", "mrr", "alexa_rank", "employee_range", "industry"]
    paid = loaded.companies["id"].isin(PAID_IDS).to_numpy()
    assert loaded.closed[paid].astype("datetime64[D]").astype(str).tolist() == [
        "2020-02-10",
        "2020-02-11",
        "2020-02-12",
    ]
    assert (loaded.closed[~paid] == NEVER_CLOSED).all()
    named = loaded.companies["id"].to_numpy()[loaded.usage_company].tolist()
    assert named == ["c1", "n2", "n2"]
    assert loaded.usage_stamp.astype("datetime64[D]").astype(str).tolist() == [
        "2020-01-06",
        "2020-01-06",
        "2020-01-13",
    ]
    assert loaded.usage_values.tolist() == [[1] * 8, [8, 7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7, 8]]
    kinds = [
        array.dtype
        for array in (loaded.closed, loaded.usage_company, loaded.usage_stamp, loaded.usage_values)
    ]
    assert kinds == [np.int32] * 4
    assert len(MEASURES) == loaded.usage_values.shape[1]
    assert loaded.as_of == np.datetime64("2020-02-12", "D").astype(int)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_rows_give_the_same_snapshot(tables: Tables, seed: int) -> None:
    tables.usage += [tables.usage[0], usage_row("stranger"), usage_row("n1", "soon")]
    tables.noncustomers += [tables.noncustomers[0], "1,a,,n99", "2,a,,n99"]
    first = tables.ingest()
    for table in ("customers", NONCUSTOMERS, USAGE):
        random.Random(seed).shuffle(tables.rows(table))  # noqa: S311 - an order, not a secret
    again = tables.ingest()
    assert (again.id, again.is_new) == (first.id, False)


def test_a_renamed_file_gives_the_same_snapshot(tables: Tables) -> None:
    tables.usage.append(usage_row("stranger"))
    first = tables.ingest()
    moved = tables.path(USAGE).rename(tables.folder / "log.csv")
    assert tables.ingest_as_they_are(usage=str(moved)).id == first.id


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (USAGE, lambda rows: rows[:-1]),
        (USAGE, lambda rows: [*rows, usage_row("stranger")]),
        (USAGE, lambda rows: [rows[0].replace("5,0", "5,1"), *rows[1:]]),
        (USAGE, lambda rows: [rows[0].replace("00:00:00", "00:00:01"), *rows[1:]]),
        ("customers", lambda rows: [rows[0].replace("2020-02-10", "2020-02-09"), *rows[1:]]),
        ("customers", lambda rows: [rows[0].replace("099.5", "099.6"), *rows[1:]]),
        (NONCUSTOMERS, lambda rows: [rows[0].replace("6 to 10", ""), *rows[1:]]),
        (NONCUSTOMERS, lambda rows: [*rows, rows[0]]),
    ],
)
def test_any_change_of_content_gives_another_snapshot(tables: Tables, table: str, change) -> None:  # type: ignore[no-untyped-def]
    first = tables.ingest()
    rows = tables.rows(table)
    rows[:] = change(rows[:])
    assert tables.ingest().id != first.id


def test_the_day_of_the_export_is_part_of_the_name(tables: Tables) -> None:
    assert tables.ingest(as_of="2020-03-01").id != tables.ingest(as_of="2020-03-02").id


def test_texts_that_only_look_alike_when_joined_give_different_names(tables: Tables) -> None:
    tables.noncustomers[:2] = ["1,ab,,n1", "1,c,,n2"]
    first = tables.ingest().id
    tables.noncustomers[:2] = ["1,a,,n1", "1,bc,,n2"]
    assert tables.ingest().id != first


def test_the_snapshot_ingested_last_is_the_latest_even_if_it_was_known(tables: Tables) -> None:
    first = tables.ingest()
    dropped = tables.usage.pop()
    second = tables.ingest()
    assert snapshot.latest(tables.artifacts).id == second.id
    tables.usage.append(dropped)
    assert tables.ingest().id == first.id
    assert snapshot.latest(tables.artifacts).id == first.id


@pytest.mark.parametrize("name", snapshot.TABLES)
def test_a_changed_file_is_refused_by_name(tables: Tables, name: str) -> None:
    path = tables.ingest().path / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match=rf"{name}.*was changed"):
        snapshot.latest(tables.artifacts)


@pytest.mark.parametrize("name", [*snapshot.TABLES, snapshot.MANIFEST])
def test_a_missing_file_is_refused_by_name(tables: Tables, name: str) -> None:
    path = tables.ingest().path
    (path / name).unlink()
    with pytest.raises(SnapshotError, match=name):
        snapshot.load(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"id": 1}', '{"schema_version": 1, "as_of": "soon", "id": "x"}']
)
def test_a_manifest_that_makes_no_sense_is_refused(tables: Tables, content: str) -> None:
    path = tables.ingest().path
    (path / snapshot.MANIFEST).write_text(content)
    with pytest.raises(SnapshotError, match=r"manifest\.json: cannot be read"):
        snapshot.load(path)


def test_a_snapshot_of_another_version_is_refused(tables: Tables) -> None:
    path = tables.ingest().path / snapshot.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(SnapshotError, match="has version 99"):
        snapshot.load(path.parent)


def test_without_a_snapshot_the_message_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no snapshot yet") as caught:
        snapshot.latest(tmp_path)
    assert "mlsys ingest" in caught.value.hint


@pytest.mark.parametrize("content", ["", "{}", '{"id": "0123"}'])
def test_a_pointer_that_leads_nowhere_is_refused(tables: Tables, content: str) -> None:
    tables.ingest()
    (tables.artifacts / "snapshots" / snapshot.LATEST).write_text(content)
    with pytest.raises(SnapshotError, match="cannot be read"):
        snapshot.latest(tables.artifacts)


def test_a_damaged_snapshot_is_replaced_when_the_same_input_comes_again(tables: Tables) -> None:
    report = tables.ingest()
    (report.path / snapshot.USAGE).write_bytes(b"")
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
    manifest = json.loads((tables.ingest().path / snapshot.MANIFEST).read_text())
    assert manifest["sources"][USAGE] == str(tables.path(USAGE))
    assert manifest["read"] == {"customers": 3, "noncustomers": 8, "usage": 34}
    assert (manifest["companies"], manifest["customers"]) == (11, 3)
    assert (manifest["usage_rows"], manifest["quarantined"]) == (33, 1)
    assert set(manifest["sha256"]) == set(snapshot.TABLES)
