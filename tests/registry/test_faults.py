"""A file system that refuses: whatever fails, there is the old state or the new one, and one line that says so."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ml_sys.errors import StorageError
from ml_sys.registry.index import Index
from ml_sys.registry.store import Registry
from tests.registry.versions import add, fill, promote, registry_with, rollback

WRITING = os.O_WRONLY | os.O_RDWR
FAULTS = ("write", "fsync", "rename", "replace", "mkdir", "open", "ftruncate", "unlink", "rmdir")
FOREVER = 10**9


@dataclass
class Disk:
    """A disk that fails: calls that change something are counted, and some of them raise.

    A write that fails has written half of its bytes. With ``late``, a rename is done before it fails, as over
    a network whose answer got lost.
    """

    code: int = 0
    first: int = FOREVER
    last: int = FOREVER
    late: bool = False
    calls: int = 0

    def fails(self) -> bool:
        self.calls += 1
        return self.first <= self.calls - 1 < self.last

    def error(self, *paths: object) -> OSError:
        return OSError(self.code, os.strerror(self.code), *[str(one) for one in paths[:1]])

    @contextmanager
    def mounted(self) -> Iterator[None]:
        real = {name: getattr(os, name) for name in FAULTS}

        def write(descriptor: int, content: bytes) -> int:
            if not self.fails():
                return real["write"](descriptor, content)
            real["write"](descriptor, content[: len(content) // 2])
            raise self.error()

        def fsync(descriptor: int) -> None:  # nobody pulls the plug here: waiting for the disk proves nothing
            if self.fails():
                raise self.error()

        def opened(path: object, flags: int, *rest: object, **more: object) -> int:
            if flags & WRITING and self.fails():
                raise self.error(path)
            return real["open"](path, flags, *rest, **more)

        def failing(name: str) -> Callable[..., object]:
            def call(*args: object, **more: object) -> object:
                if not self.fails():
                    return real[name](*args, **more)
                if self.late:
                    real[name](*args, **more)
                raise self.error(*args)

            return call

        with pytest.MonkeyPatch.context() as patch:
            for name in FAULTS:
                patch.setattr(os, name, failing(name))
            patch.setattr(os, "write", write)
            patch.setattr(os, "fsync", fsync)
            patch.setattr(os, "open", opened)
            yield


ACTS: dict[str, Callable[[Registry], object]] = {
    "add": lambda registry: add(registry, "2.0.0"),
    "promote": lambda registry: promote(registry, "1.1.0"),
    "rollback": rollback,
    "recover": Registry.recover,
}


def begun(root: Path, act: str) -> Registry:
    """Return a registry with two versions that were in production, and for a recovery something to recover."""
    registry = registry_with(root, "0.9.0", "1.0.0", "1.1.0")
    promote(registry, "0.9.0")
    promote(registry, "1.0.0")
    if act == "recover":
        (root / "models" / "1.2.0").mkdir()
        fill(root / "models" / "1.2.0", "1.2.0")
        (root / "registry.json").write_text("{")
        (root / ".tmp-0123456789abcdef").write_text("{")
        (root / "models" / ".tmp-0123456789abcdef").mkdir()
        with (root / "audit.jsonl").open("ab") as file:
            file.write(b'{"action":"prom')
    return registry


def state(registry: Registry) -> Index:
    return replace(registry.read(), head="")


def check(root: Path, old: Index, new: Index) -> Index:
    """Check what a failed act left, then that the next one works; return the state that was left."""
    survivor = Registry(root, actor="tester")
    left = state(survivor)
    assert left in (old, new)
    survivor.trail()
    for version in left.versions:
        survivor.open(version)
    add(survivor, "3.0.0")
    index = survivor.read()
    assert set(old.versions) | {"3.0.0"} <= set(index.versions) <= set(new.versions) | {"3.0.0"}
    assert (index.production, index.replaced) == (left.production, left.replaced)
    assert {path.name for path in (root / "models").iterdir()} == set(index.versions)
    assert not list(root.rglob(".tmp-*"))
    assert survivor.index_problem() == ""
    assert survivor.read().sequence == len(survivor.trail().records)
    for version in index.versions:
        survivor.open(version)
    return left


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES], ids=errno.errorcode.get)
@pytest.mark.parametrize("kind", ["once", "for ever", "once, though done"])
@pytest.mark.parametrize("act", ACTS)
def test_whatever_the_disk_refuses_the_state_is_the_old_one_or_the_new_one(tmp_path, act, kind, code):
    begun(tmp_path / "start", act)
    old = state(Registry(tmp_path / "start"))
    n = 0
    problems = []
    root = Path(shutil.copytree(tmp_path / "start", tmp_path / "new"))
    ACTS[act](Registry(root, actor="tester"))
    new = state(Registry(root))
    while True:
        root = Path(shutil.copytree(tmp_path / "start", tmp_path / str(n)))
        disk = Disk(code, n, FOREVER if kind == "for ever" else n + 1, late=kind == "once, though done")
        registry = Registry(root, actor="tester")
        try:
            with disk.mounted():
                ACTS[act](registry)
            said = None
        except StorageError as error:
            said = error
        except BaseException as error:
            problems.append((n, repr(error)))
            said = error
        try:
            left = check(root, old, new)
            if said and left == new: problems.append((n, "raised but new", repr(said)))
            if not said and left != new: problems.append((n, "not raised but old"))
        except BaseException as error:
            problems.append((n, "check", repr(error)[:300]))
        if disk.calls <= n:
            break
        n += 1
    print(n)
    for p in problems: print(p)
    assert not problems
