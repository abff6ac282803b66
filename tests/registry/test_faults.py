"""A file system that refuses: there is the old state or the new one, and one line that says what happened."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ml_sys.errors import StorageError
from ml_sys.model.files.artifact import MANIFEST
from ml_sys.registry.exclusive import Registering, note_registering
from ml_sys.registry.index import Entry, Index, to_bytes
from ml_sys.registry.store import Registry
from tests.registry.versions import add, fill, promote, registry_with, rollback

REFUSED = ("mkdir", "rename", "replace", "ftruncate", "unlink", "rmdir", "close")
FOREVER = 10**9


@dataclass
class Disk:
    """A disk that refuses some of the calls that change it, in the order in which they come.

    A write that fails has written half of its bytes, and closing closes in any case. ``late`` has everything
    else done before it is refused as well, as over a network that loses the answer.
    """

    code: int = 0
    first: int = FOREVER
    last: int = FOREVER
    late: bool = False
    calls: int = 0

    @contextmanager
    def mounted(self) -> Iterator[None]:
        write, opened = os.write, os.open

        def failing_write(descriptor: int, content: bytes) -> int:
            if not self._refuses():
                return write(descriptor, content)
            write(descriptor, content[: len(content) // 2])
            raise self._error()

        def failing_sync(_: int) -> None:  # nobody pulls a plug here, so the disk need not be waited for
            if self._refuses():
                raise self._error()

        def failing_open(path: object, flags: int, *rest: object, **more: object) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR) and self._refuses():
                raise self._error(path)
            return opened(path, flags, *rest, **more)

        with pytest.MonkeyPatch.context() as patch:
            for name in REFUSED:
                patch.setattr(os, name, self._failing(getattr(os, name), late=self.late or name == "close"))
            patch.setattr(os, "write", failing_write)
            patch.setattr(os, "fsync", failing_sync)
            patch.setattr(os, "open", failing_open)
            yield

    def _failing(self, real: Callable[..., object], *, late: bool) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            if not self._refuses():
                return real(*args, **more)
            if late:
                real(*args, **more)
            raise self._error(*args)

        return call

    def _refuses(self) -> bool:
        self.calls += 1
        return self.first < self.calls <= self.last

    def _error(self, *args: object) -> OSError:
        named = [str(one) for one in args[:1] if not isinstance(one, int)]
        return OSError(self.code, os.strerror(self.code), *named)


ACTS: dict[str, Callable[[Registry], object]] = {
    "first": lambda registry: add(registry, "2.0.0"),
    "add": lambda registry: add(registry, "2.0.0"),
    "promote": lambda registry: promote(registry, "1.1.0"),
    "rollback": rollback,
    "recover": Registry.recover,
}


def begun(root: Path, act: str) -> Registry:
    """Return a registry of three versions, two of them once in production.

    For a recovery it has all that one mends; before a first version there is only its folder.
    """
    if act == "first":
        root.mkdir()
        return Registry(root)
    registry = registry_with(root, "0.9.0", "1.0.0", "1.1.0")
    promote(registry, "0.9.0")
    promote(registry, "1.0.0")
    if act == "recover":
        (root / "models" / "1.2.0").mkdir()
        note_registering(root, Registering("1.2.0", fill(root / "models" / "1.2.0", "1.2.0").seal))
        (root / "registry.json").write_bytes(to_bytes(Index()))
        (root / ".tmp-0123456789abcdef").write_text("{")
        (root / "models" / ".tmp-0123456789abcdef").mkdir()
        with (root / "audit.jsonl").open("ab") as file:
            file.write(b'{"action":"prom')
    return registry


def state(registry: Registry) -> Index:
    """What the registry says, but for the digest that holds the time of its last record."""
    return replace(registry.read(), head="")


def folders(root: Path) -> set[str]:
    """Names of what lies among the versions, but for what is half-written."""
    return {path.name for path in root.glob("models/*") if not path.name.startswith(".tmp-")}


def assert_nothing_is_lost(root: Path, old: Index, new: Index) -> None:
    """Read what a refused act left, let the next one follow, and check everything that there is then."""
    registry = Registry(root, actor="tester")
    left = state(registry)
    assert left in (old, new)
    assert len(registry.trail().records) == left.sequence
    for version in left.versions:
        registry.open(version)
    with Disk().mounted():
        add(registry, "3.0.0")
    index = registry.read()
    assert {*left.versions, "3.0.0"} <= set(index.versions) <= {*new.versions, "3.0.0"}
    assert (index.production, index.replaced) == (left.production, left.replaced)
    assert registry.index_problem() == ""
    assert registry.strangers() == []
    assert not list(root.rglob(".tmp-*"))
    for version in index.versions:
        registry.open(version)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("once", errno.EIO),
        ("once", errno.ENOSPC),
        ("once", errno.EACCES),
        ("once, though done", errno.EIO),
        ("from then on", errno.ENOSPC),
    ],
)
@pytest.mark.parametrize("act", ACTS)
def test_whatever_the_disk_refuses_there_is_the_old_state_or_the_new_one(tmp_path, act, kind, code):
    begun(tmp_path / "start", act)
    old = state(Registry(tmp_path / "start"))
    done = Path(shutil.copytree(tmp_path / "start", tmp_path / "done"))
    ACTS[act](Registry(done, actor="tester"))
    new = state(Registry(done))
    assert new != old
    refusals, beyond_recall = [], 0
    while True:
        first = len(refusals)
        disk = Disk(
            code, first, FOREVER if kind == "from then on" else first + 1, kind == "once, though done"
        )
        root = Path(shutil.copytree(tmp_path / "start", tmp_path / str(first)))
        refusal = None
        with disk.mounted():
            try:
                ACTS[act](Registry(root, actor="tester"))
            except StorageError as error:
                refusal = error
        if disk.calls <= first:
            break
        stands = state(Registry(root)) == new
        if refusal is None:
            assert stands
        else:
            assert os.strerror(code) in refusal.message
            assert str(root) in refusal.message
            assert "\n" not in refusal.message
            assert refusal.hint
            if kind == "once":  # what was done was taken back
                assert not stands
                assert folders(root) == folders(tmp_path / "start")
            if stands:
                # The one way to be told of a failure and have the change: the record was written, the disk
                # would not confirm it, and would not let it be cut off either.
                assert "may stand or not" in refusal.message
                beyond_recall += 1
        assert_nothing_is_lost(root, old, new)
        refusals.append(refusal)
    assert len(refusals) > 10
    assert sum(one is not None for one in refusals) >= 5
    assert beyond_recall == (kind == "from then on")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of what descriptors stand for")
def test_all_that_a_version_needs_is_waited_for_and_its_record_last(tmp_path, monkeypatch):
    root, waited, wait = tmp_path / "new" / "artifacts", [], os.fsync

    def noted(descriptor: int) -> None:
        waited.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        wait(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    add(Registry(root, actor="tester"), "1.0.0")
    record = waited.index(str(root / "audit.jsonl"))
    before = set(waited[:record])
    assert before >= {str(one) for one in (tmp_path, tmp_path / "new", root, root / "models")}
    staged = {path.rpartition("/")[0] for path in before if path.endswith("/weights")}
    assert len(staged) == 1
    assert before >= {*staged, *(f"{folder}/{MANIFEST}" for folder in staged)}
    assert any(path.startswith(f"{root}/.tmp-") for path in before)  # the index that is to follow
    assert set(waited[record + 1 :]) == {str(root)}


@pytest.mark.parametrize(
    "code", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS], ids=errno.errorcode.get
)
def test_reading_needs_no_writing(tmp_path, code):
    registry = begun(tmp_path, "promote")
    with Disk(code, 0).mounted():
        assert registry.read().production == "1.0.0"
        assert registry.resolve(None) == "1.0.0"
        assert len(registry.trail().records) == 5
        assert registry.index_problem() == ""
        assert registry.strangers() == []


def test_an_index_that_could_not_follow_is_caught_up_by_the_next_writer_and_read_right_before(
    tmp_path, caplog
):
    registry = begun(tmp_path, "promote")
    stale = (tmp_path / "registry.json").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", Disk(errno.EIO, 0)._failing(os.replace, late=False))
        promote(registry, "1.1.0")
    assert "lags behind the audit trail" in caplog.text
    assert (tmp_path / "registry.json").read_bytes() == stale
    assert registry.read().production == "1.1.0"
    assert registry.index_problem() == ""
    registry.recover()
    assert json.loads((tmp_path / "registry.json").read_text())["production"] == "1.1.0"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where the machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def assert_usable_for_reading(root: Path, old: Index) -> None:
    registry = Registry(root)
    assert state(registry) == old
    for version in old.versions:
        registry.open(version)
    assert registry.index_problem() == ""


def test_on_a_full_disk_writing_says_so_and_changes_nothing_until_there_is_space(small_disk):
    registry = begun(small_disk, "promote")
    old = state(registry)
    filling = small_disk / "filling"
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    for act in ("add", "promote", "rollback"):
        with pytest.raises(StorageError, match="No space left on device") as caught:
            ACTS[act](registry)
        assert "free some space" in caught.value.hint
        assert_usable_for_reading(small_disk, old)
    registry.recover()  # nothing is left to mend, so nothing is written
    assert not list(small_disk.rglob(".tmp-*"))
    filling.unlink()
    promote(registry, "1.1.0")
    add(registry, "2.0.0")
    assert registry.index_problem() == ""


def test_on_a_disk_that_fills_up_byte_by_byte_every_act_is_done_or_not_at_all(small_disk):
    """The space that is left grows by a kilobyte or two from round to round, until an act gets through."""
    registry = begun(small_disk, "promote")
    old, refused = state(registry), 0
    filling = small_disk / "filling"
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    while True:
        try:
            add(registry, "2.0.0")
            break
        except StorageError:
            refused += 1
            assert_usable_for_reading(small_disk, old)
        os.truncate(filling, filling.stat().st_size - 1024)
    assert refused >= 3
    assert set(registry.read().versions) == {*old.versions, "2.0.0"}
    assert registry.index_problem() == ""


def test_a_read_only_folder_is_named_by_writers_and_no_matter_to_readers(small_disk):
    registry = begun(small_disk, "promote")
    old = state(registry)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True, capture_output=True)
    for act in ACTS.values():
        with pytest.raises(StorageError, match="Read-only file system") as caught:
            act(registry)
        assert str(small_disk) in caught.value.message
        assert "choose another place" in caught.value.hint
        assert_usable_for_reading(small_disk, old)


SOMEBODY = """
import sys
from pathlib import Path
from ml_sys.errors import StorageError
from ml_sys.registry.store import Registry
from tests.registry.test_faults import ACTS
registry = Registry(Path(sys.argv[1]), actor="tester")
for act in ACTS.values():
    try:
        act(registry)
    except StorageError as error:
        print(error.message, "|", error.hint)
assert registry.read().production == "1.0.0"
assert registry.index_problem() == ""
registry.open("1.0.0")
"""


def test_a_folder_without_the_right_to_write_is_named_by_writers_and_no_matter_to_readers(
    tmp_path, bound_by_rights
):
    root = tmp_path / "artifacts"
    old = state(begun(root, "promote"))
    for path in (root / "models", root):
        path.chmod(0o555)
    (root / "registry.lock").chmod(0o444)
    done = subprocess.run(
        [*bound_by_rights, sys.executable, "-c", SOMEBODY, str(root)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    root.chmod(0o755)
    (root / "models").chmod(0o755)
    assert done.returncode == 0, done.stderr
    refusals = done.stdout.splitlines()
    assert len(refusals) == len(ACTS)
    assert all("Permission denied" in line and "check the permissions" in line for line in refusals)
    assert state(Registry(root)) == old


def test_a_registry_cannot_be_made_where_a_file_stands_in_the_way(tmp_path):
    (tmp_path / "artifacts").write_text("mine")
    with pytest.raises(StorageError, match="artifacts"):
        add(Registry(tmp_path / "artifacts"), "1.0.0")
    assert (tmp_path / "artifacts").read_text() == "mine"


@pytest.mark.parametrize("name", ["registry.json", "audit.jsonl"])
def test_what_cannot_be_read_is_named_and_not_taken_for_damaged(tmp_path, name):
    registry = begun(tmp_path, "promote")
    (tmp_path / name).rename(tmp_path / "aside")
    (tmp_path / name).mkdir()
    with pytest.raises(StorageError, match=f"{name}: cannot be read: Is a directory"):
        registry.recover()
    (tmp_path / name).rmdir()
    (tmp_path / "aside").rename(tmp_path / name)
    registry.recover()
    assert registry.read().production == "1.0.0"


def test_a_version_is_kept_where_nobody_can_say_whether_it_was_registered(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    trail = tmp_path / "audit.jsonl"

    def build(folder: Path, _: Index) -> Entry:
        trail.rename(tmp_path / "aside")
        trail.mkdir()
        return fill(folder, "1.1.0")

    with pytest.raises(StorageError, match=r"audit\.jsonl: Is a directory"):
        registry.add(build)
    trail.rmdir()
    (tmp_path / "aside").rename(trail)
    assert set(registry.read().versions) == {"1.0.0"}
    registry.recover()
    assert set(registry.read().versions) == {"1.0.0", "1.1.0"}
    registry.open("1.1.0")


LIMITED = """
import resource, sys
from pathlib import Path
from ml_sys.errors import StorageError
from ml_sys.registry.store import Registry
from tests.registry.versions import add
registry = Registry(Path(sys.argv[1]), actor="tester")
for limit in range(0, 4096, 64):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        add(registry, "2.0.0")
    except StorageError as error:
        print(error.message, "|", error.hint)
        continue
    break
"""


def test_a_limit_on_the_size_of_files_is_said_and_changes_nothing(tmp_path):
    pytest.importorskip("resource", reason="limits are of Unix")
    registry = begun(tmp_path, "promote")
    old = state(registry)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    refusals = done.stdout.splitlines()
    assert len(refusals) > 10
    assert all("File too large" in line and "ulimit -f" in line for line in refusals)
    assert set(registry.read().versions) == {*old.versions, "2.0.0"}
    assert registry.index_problem() == ""
    assert len(registry.trail().records) == old.sequence + 1
