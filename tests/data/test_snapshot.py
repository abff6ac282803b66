"""What a snapshot promises: a name that follows from its content, all or nothing, and no unseen change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data import snapshot
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.errors import SnapshotError
from tests.data.tables import FREE_IDS, MEASURES, PAID_IDS, Tables, usage_row


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
    assert list(loaded.companies) == ["id", "value", "alexa_rank", "employee_range", "industry"]
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
    assert (loaded.since == NEVER_BEGAN).all()


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


@pytest.mark.parametrize("version", [1, 99])
def test_a_snapshot_of_another_version_is_refused(tables: Tables, version: int) -> None:
    path = tables.ingest().path / snapshot.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": version}))
    with pytest.raises(SnapshotError, match=f"has version {version}"):
        snapshot.load(path.parent)


@pytest.mark.parametrize("name", snapshot.TABLES)
def test_a_file_whose_digest_the_manifest_does_not_know_is_refused(tables: Tables, name: str) -> None:
    path = tables.ingest().path / snapshot.MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["sha256"][name]
    path.write_text(json.dumps(manifest))
    assert not snapshot.verifies(path.parent)
    with pytest.raises(SnapshotError, match=rf"{name}: differs"):
        snapshot.load(path.parent)


def test_any_snapshot_that_is_there_is_loaded_by_its_id(tables: Tables) -> None:
    first = tables.ingest()
    tables.usage.pop()
    second = tables.ingest()
    assert [snapshot.stored(tables.artifacts, one.id).id for one in (first, second)] == [first.id, second.id]


def test_there_is_a_snapshot_once_one_was_ingested(tables: Tables) -> None:
    assert not snapshot.exists(tables.artifacts)
    (tables.artifacts / snapshot.FOLDER).mkdir(parents=True)
    assert not snapshot.exists(tables.artifacts)
    assert snapshot.latest_form(tables.artifacts) is None
    tables.ingest()
    assert snapshot.exists(tables.artifacts)
    assert snapshot.latest_form(tables.artifacts) == snapshot.latest(tables.artifacts).form


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
