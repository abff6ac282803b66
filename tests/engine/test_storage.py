"""Files for workers elsewhere: written once, under their digests, and never given out when changed."""

from __future__ import annotations

import hashlib
import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import FileSelector, FileSystem

from ml_sys.data import snapshot
from ml_sys.data.parts.parted import Parts
from ml_sys.engine import storage
from ml_sys.engine.mapping import Engine
from ml_sys.engine.storage import Storage
from ml_sys.errors import EngineError, SnapshotError
from tests.data.tables import Tables, usage_row
from tests.engine.s3 import s3_server

distributed = pytest.importorskip("distributed", reason="Dask is an extra, and not installed")

CONTENT = {hashlib.sha256(text).hexdigest(): text for text in (b"one", b"the other")}
SIZES = {name: len(text) for name, text in CONTENT.items()}
ONE = next(iter(CONTENT))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def here(place: Path) -> Storage:
    return Storage(place.as_uri())


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    many = Tables(tmp_path_factory.mktemp("tables"))
    many.noncustomers += [f"{n},6 to 10,RETAIL,m{n}" for n in range(30)]
    many.usage += [usage_row(f"m{n}", f"2020-01-{6 + n % 4 * 7:02d}") for n in range(2, 30)]
    return snapshot.parts(many.ingest(partitions=3).path)


def test_a_file_is_written_once_under_its_digest_and_again_where_it_is_half_written(
    here: Storage, place: Path
) -> None:
    assert here.put("id", SIZES, CONTENT.__getitem__) == list(SIZES)
    assert {one.name: one.read_bytes() for one in (place / "id").iterdir()} == CONTENT
    assert here.put("id", SIZES, CONTENT.__getitem__) == []
    (place / "id" / ONE).write_bytes(b"o")
    assert here.put("id", SIZES, CONTENT.__getitem__) == [ONE]
    assert here.read("id", ONE) == CONTENT[ONE]


def test_what_cannot_be_read_here_leaves_nothing_there(here: Storage, place: Path) -> None:
    def lost(name: str) -> bytes:
        raise SnapshotError("it is gone")

    with pytest.raises(SnapshotError, match="it is gone"):
        here.put("id", SIZES, lost)
    assert list((place / "id").iterdir()) == []


def test_a_changed_file_is_refused_by_name(here: Storage, place: Path) -> None:
    here.put("id", SIZES, CONTENT.__getitem__)
    (place / "id" / ONE).write_bytes(b"two")
    with pytest.raises(EngineError, match=rf"id/{ONE} .* was changed"):
        here.read("id", ONE)


@pytest.mark.parametrize("address", ["nowhere://there", "s3:///", "fsspec+nowhere://there"])
def test_an_address_that_makes_no_sense_is_named_in_one_line(address: str) -> None:
    for ask in (lambda: Storage(address).read("id", ONE), lambda: Storage(address).put("id", SIZES, str)):
        with pytest.raises(EngineError, match=f"engine.storage: {address.replace('+', '.')}") as caught:
            ask()
        assert "\n" not in caught.value.message
        assert "credentials" in caught.value.hint


def test_a_file_that_is_not_there_is_named(here: Storage) -> None:
    with pytest.raises(EngineError, match=f"id/{ONE}"):
        here.read("id", ONE)


def test_what_is_kept_stays_within_its_bound_and_what_was_not_read_for_longest_goes(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for number, name in enumerate("abc"):
        storage._keep(kept / name, b"x" * 40, 100)
        if (kept / name).exists():
            os.utime(kept / name, ns=(number, number))
    assert sorted(one.name for one in kept.iterdir()) == ["b", "c"]
    os.utime(kept / "b", ns=(9, 9))
    storage._keep(kept / "d", b"x" * 50, 100)
    storage._keep(kept / "e", b"x" * 101, 100)
    assert sorted(one.name for one in kept.iterdir()) == ["b", "d"]


def test_a_full_disk_keeps_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        storage._keep(tmp_path / "kept" / "a", b"x" * 40, 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "kept").iterdir()) == []


def rows_of(parts: Parts, number: int) -> tuple[list[str], list[int], list[list[int]]]:
    one = parts.part(number)
    return one.companies["id"].tolist(), parts.positions(number).tolist(), one.usage_values.tolist()


def kept_by(dask_worker: Any = None) -> list[str]:
    """Return what a worker keeps."""
    return [str(one) for one in Path(dask_worker.local_directory, storage._KEPT).rglob("*")]


def read_again(shared: Parts, gone: Path, number: int) -> tuple[object, object]:
    """Read a part, and again after it is gone from the storage."""
    first = rows_of(shared, number)
    gone.rename(gone.with_name("elsewhere"))
    return first, rows_of(shared, number)


def spoil(dask_worker: Any = None) -> int:
    """Change all that a worker keeps, and return how much that is."""
    kept = [one for one in map(Path, kept_by(dask_worker)) if one.is_file()]
    for one in kept:
        one.write_bytes(b"x")
    return len(kept)


def test_parts_go_by_a_storage_to_workers_that_keep_them_while_the_command_works(
    parts: Parts, here: Storage, place: Path
) -> None:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        engine = Engine("dask", address=cluster.scheduler_address, storage=Storage(here.address, 10))
        shared = parts.shared(engine.storage)
        assert len(pickle.dumps(shared)) < 10_000
        assert shared.shared(None) == shared
        assert len(list((place / parts.id).iterdir())) == 6
        with engine.held():
            assert engine.map(partial(rows_of, shared), range(3)) == [rows_of(parts, n) for n in range(3)]
            with distributed.Client(cluster, set_as_default=False) as client:
                assert [*client.run(spoil).values()] == [6]
            assert engine.map(partial(rows_of, shared), range(3)) == [rows_of(parts, n) for n in range(3)]
            [(first, again)] = engine.map(partial(read_again, shared, place / parts.id), [1])
            assert first == again == rows_of(parts, 1)
        with distributed.Client(cluster, set_as_default=False) as client:
            assert [*client.run(kept_by).values()] == [[]]


def lost_at(shared: Parts, moved: Path, number: int) -> object:
    """Read a part once the folder that it is in has gone."""
    if shared.path.exists():
        shared.path.rename(moved)
    return rows_of(shared, number)


def test_a_folder_that_workers_lose_ends_the_work_in_a_line_that_names_worker_and_file(
    parts: Parts, tmp_path: Path
) -> None:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        engine = Engine("dask", address=cluster.scheduler_address)
        try:
            with pytest.raises(SnapshotError) as caught:
                engine.map(partial(lost_at, parts.shared(engine.storage), tmp_path / "moved"), [0, 1])
        finally:
            (tmp_path / "moved").rename(parts.path)
    found = caught.value
    assert found.message.startswith("Dask worker inproc://")
    assert f"{parts.path / 'companies-000'}" in found.message
    assert found.message.endswith("cannot be read: No such file or directory")
    assert "engine.storage" in found.hint


def full(shared: Parts, number: int) -> object:
    """Read a part where the disk takes no more than a few bytes, and write one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    if number < 0:
        Path(distributed.get_worker().local_directory, "written").write_bytes(b"x" * 100)
    return rows_of(shared, number)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server("lists") as address:
        yield address


@pytest.fixture(scope="module")
def two(bucket: str) -> Iterator[str]:
    """The address of a cluster of two processes that use the server."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as here:
        yield here.scheduler_address


def there(address: str) -> dict[str, datetime]:
    """Return when each file at an address was written."""
    files, root = FileSystem.from_uri(address)
    return {one.path: one.mtime for one in files.get_file_info(FileSelector(root))}


@pytest.mark.slow  # starts processes and a server
def test_two_processes_read_parts_from_s3_where_each_was_put_once(
    parts: Parts, bucket: str, two: str, tmp_path: Path
) -> None:
    engine = Engine("dask", address=two, storage=Storage(f"{bucket}/once", 10))
    expected = [rows_of(parts, number) for number in range(3)]
    shared = parts.shared(engine.storage)
    listed = there(f"{bucket}/once/{parts.id}")
    digests = parts.manifest.sha256
    assert {Path(one).name for one in listed} == {*digests.values()} - {digests[snapshot.QUARANTINE]}
    parts.shared(engine.storage)
    assert there(f"{bucket}/once/{parts.id}") == listed
    parts.path.rename(tmp_path / "hidden")  # workers do without
    try:
        assert engine.map(partial(rows_of, shared), [*range(3)] * 3) == expected * 3
    finally:
        (tmp_path / "hidden").rename(parts.path)


@pytest.mark.slow  # starts processes and a server
def test_an_object_of_s3_that_was_changed_or_is_gone_ends_the_work_in_a_line(
    parts: Parts, bucket: str, two: str
) -> None:
    engine = Engine("dask", address=two, storage=Storage(f"{bucket}/changed", 10))
    shared = parts.shared(engine.storage)
    name = parts.manifest.sha256["usage-0001.parquet"]
    files, root = FileSystem.from_uri(bucket)
    key = f"{root}/changed/{parts.id}/{name}"
    with files.open_output_stream(key) as sink:
        sink.write(b"something else")
    with pytest.raises(EngineError, match=rf"Dask worker tcp://.*{name} is not what was put there"):
        engine.map(partial(rows_of, shared), range(3))
    files.delete_file(key)
    with pytest.raises(EngineError, match=rf"Dask worker tcp://.*{name}: .*does not exist"):
        engine.map(partial(rows_of, shared), range(3))
    assert engine.map(partial(rows_of, parts.shared(engine.storage)), [1]) == [rows_of(parts, 1)]


@pytest.mark.slow  # starts processes and a server
def test_a_worker_whose_disk_is_full_keeps_nothing_and_says_so_where_it_has_to_write(
    parts: Parts, bucket: str
) -> None:
    storage = Storage(f"{bucket}/full", 10)
    engine = Engine("dask", workers=1, storage=storage)
    shared = parts.shared(storage)
    with engine.held():
        assert engine.map(partial(full, shared), [0, 0]) == [rows_of(parts, 0)] * 2
        with pytest.raises(EngineError, match=r"Dask worker tcp://.*File too large") as caught:
            engine.map(partial(full, shared), [-1])
    assert "disk" in caught.value.hint


KILLED = """
import os, signal, sys
from pathlib import Path
from ml_sys.data import snapshot
from ml_sys.engine.storage import Storage

class Killed(Storage):
    def put(self, folder, sizes, content):
        last = list(sizes)[3]
        def killed(name):
            return os.kill(os.getpid(), signal.SIGKILL) if name == last else content(name)

        super().put(folder, sizes, killed)

snapshot.parts(Path(sys.argv[1])).shared(Killed(sys.argv[2]))
"""


@pytest.mark.slow  # starts a process and a server
def test_what_a_killed_command_had_put_into_s3_the_next_one_goes_on_from(parts: Parts, bucket: str) -> None:
    address = f"{bucket}/killed"
    argv = [sys.executable, "-c", KILLED, str(parts.path), address]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
    before = there(f"{address}/{parts.id}")
    assert len(before) == 3
    shared = parts.shared(Storage(address))
    after = there(f"{address}/{parts.id}")
    assert len(after) == 6
    assert before.items() <= after.items()  # of the same time, so written once
    assert [rows_of(shared, number) for number in range(3)] == [rows_of(parts, n) for n in range(3)]


@pytest.mark.slow  # asks several times before it gives up
def test_a_server_that_went_away_ends_the_work_in_a_line(parts: Parts) -> None:
    with s3_server("short") as address:
        shared = parts.shared(Storage(address))
        server = os.environ["AWS_ENDPOINT_URL"]
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (("AWS_ENDPOINT_URL", server), ("AWS_REGION", "us-east-1")):
            patched.setenv(name, value)
        for ask in (lambda: shared.part(0), lambda: parts.shared(Storage(address))):
            with pytest.raises(EngineError, match=rf"engine.storage: {address}: {parts.id}") as caught:
                ask()
            assert "\n" not in caught.value.message
