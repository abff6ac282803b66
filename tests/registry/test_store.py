"""One index, one production pointer: nothing is lost, overwritten or half done."""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import ArtifactError, AuditError, BusyError, ChampionChangedError, UnverifiedError
from ml_sys.model.artifact import write_artifact
from ml_sys.model.signing import NO_KEYS, Keys, make_keys, read_keys
from ml_sys.registry.index import Index, from_bytes, latest, replayed, to_bytes
from ml_sys.registry.store import Change, Registry
from tests.registry.versions import add, fill, promote, registry_with, rollback, small_entry

ABC = ("1.0.0", "1.1.0", "2.0.0")


def statuses(registry):
    return {version: entry.status for version, entry in registry.read().versions.items()}


def state(registry):
    """What the registry says, but for the digest that holds the time of its last record."""
    return replace(registry.read(), head="")


def tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_a_registry_that_was_never_written_is_empty_and_stays_unwritten(tmp_path):
    assert Registry(tmp_path / "artifacts").read() == Index()
    with pytest.raises(ArtifactError, match="holds no model") as caught:
        Registry(tmp_path / "artifacts").resolve(None)
    assert "mlsys train" in caught.value.hint
    assert not (tmp_path / "artifacts").exists()


def test_an_added_version_is_a_candidate_and_changes_no_other(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    promote(registry, "1.0.0")
    before = tree(tmp_path / "models" / "1.0.0")
    registry_with(tmp_path, "1.1.0")
    assert statuses(registry) == {"1.0.0": "production", "1.1.0": "candidate"}
    assert tree(tmp_path / "models" / "1.0.0") == before


def test_an_existing_version_is_never_overwritten(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    before = tree(tmp_path)

    def build(folder, _):
        entry = fill(folder, "1.0.0")
        (folder / "weights").write_bytes(b"other weights")
        return entry

    with pytest.raises(ArtifactError, match=r"version 1\.0\.0 exists already"):
        registry.add(build)
    assert tree(tmp_path) == before
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["1.0.0"]


def test_a_build_that_fails_leaves_nothing(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    before = tree(tmp_path)

    def build(folder, _):
        fill(folder, "1.1.0")
        raise RuntimeError("power is out")

    with pytest.raises(RuntimeError, match="power is out"):
        registry.add(build)
    assert tree(tmp_path) == before


def test_without_a_name_the_production_version_is_meant_or_else_the_highest(tmp_path):
    registry = registry_with(tmp_path, "1.9.0", "1.10.0", "1.2.0")
    assert registry.resolve(None) == "1.10.0"  # by number, not by text
    promote(registry, "1.2.0")
    assert registry.resolve(None) == "1.2.0"
    with pytest.raises(ArtifactError, match=r"there is no version 1\.90\.0") as caught:
        registry.resolve("1.90.0")
    assert "did you mean 1.9.0?" in caught.value.hint


def test_promote_then_rollback_walks_back_through_production_versions(tmp_path):
    registry = registry_with(tmp_path, *ABC)
    assert [promote(registry, version) for version in ABC] == [None, "1.0.0", "1.1.0"]
    assert statuses(registry) == {"1.0.0": "archived", "1.1.0": "archived", "2.0.0": "production"}
    assert rollback(registry) == ("2.0.0", "1.1.0")
    assert statuses(registry) == {"1.0.0": "archived", "1.1.0": "production", "2.0.0": "archived"}
    assert rollback(registry) == ("1.1.0", "1.0.0")
    before = tree(tmp_path)
    with pytest.raises(ArtifactError, match="no earlier production version"):
        rollback(registry)
    assert tree(tmp_path) == before


def test_nothing_in_production_is_nothing_to_roll_back_from(tmp_path):
    with pytest.raises(ArtifactError, match="no earlier production version"):
        rollback(registry_with(tmp_path, "1.0.0"))


def test_promoting_what_is_in_production_changes_nothing(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    promote(registry, "1.1.0")
    before = tree(tmp_path)
    assert promote(registry, "1.1.0") == "1.1.0"
    assert tree(tmp_path) == before


STEP = st.one_of(
    st.tuples(st.just("add"), st.none()),
    st.tuples(st.just("promote"), st.integers(0, 4)),
    st.tuples(st.just("rollback"), st.none()),
    st.tuples(st.just("rollback"), st.integers(0, 4)),
)


@given(steps=st.lists(STEP, max_size=14), data=st.data())
def test_the_pointer_follows_any_sequence_of_acts_and_the_trail_replays_to_it(tmp_path_factory, steps, data):
    """Production is the top of a stack: promote pushes, unless it is the top already, and rollback pops."""
    root = tmp_path_factory.mktemp("walk")
    writers = [Registry(root, actor=name) for name in ("ada", "bob")]
    versions, stack, done = [], [], 0
    for act, number in steps:
        writer = data.draw(st.sampled_from(writers))
        version = f"1.{number}.0"
        before = writer.read()
        if act == "add":
            versions.append(f"1.{len(versions)}.0")
            add(writer, versions[-1])
            done += 1
        elif act == "promote" and version in versions:
            promote(writer, version)
            done += stack[-1:] != [version]
            stack += [version] if stack[-1:] != [version] else []
        elif act == "rollback" and number is None and len(stack) > 1:
            assert rollback(writer) == (stack.pop(), stack[-1])
            done += 1
        elif act == "rollback" and version in stack[:-1] and version != stack[-1]:
            assert rollback(writer, version) == (stack[-1], version)
            while stack.pop() != version or version in stack[:-1] and False:
                pass
            stack.append(version)
            done += 1
        else:
            with pytest.raises(ArtifactError):
                promote(writer, version) if act == "promote" else rollback(
                    writer, None if number is None else version
                )
            assert writer.read() == before
        index = writers[0].read()
        assert index == writers[1].read() == from_bytes((root / "registry.json").read_bytes() if done else b"") or not done
        assert index == replayed(writers[0].trail().records)
        assert index.sequence == done
        assert list(index.versions) == versions
        assert index.production == (stack[-1] if stack else None)
        assert list(index.replaced) == stack[:-1]
        for name, entry in index.versions.items():
            now = "production" if name == index.production else None
            assert entry.status == (now or entry.status) != ("x" if now else "production")


@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_version_whose_files_changed_is_refused_and_the_pointer_stays(tmp_path, act):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    if act == "rollback":
        promote(registry, "1.0.0")
    promote(registry, "1.1.0")
    (tmp_path / "models" / "1.0.0" / "weights").write_bytes(b"weights of l.0.0")
    with pytest.raises(ArtifactError, match=r"weights: differs from its digest"):
        promote(registry, "1.0.0") if act == "promote" else rollback(registry)
    assert registry.read().production == "1.1.0"


def test_what_a_killed_writer_left_is_cleared_by_the_next_command(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    half = tmp_path / "models" / ".tmp-0123456789abcdef"
    half.mkdir()
    (half / "weights").write_bytes(b"half")
    (tmp_path / ".tmp-fedcba9876543210").write_text('{"versions": {')
    assert registry.read().versions.keys() == {"1.0.0"}
    promote(registry, "1.0.0")
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_version_whose_writer_was_killed_before_it_was_indexed_is_adopted(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    promote(registry, "1.0.0")
    orphan = tmp_path / "models" / "1.1.0"
    orphan.mkdir()
    entry = fill(orphan, "1.1.0")
    registry.recover()
    assert promote(registry, "1.1.0") == "1.0.0"
    assert asdict(registry.read().versions["1.1.0"]) == {**asdict(entry), "status": "production"}


@pytest.mark.parametrize("kind", ["copy of a version", "empty folder", "checkpoints of an editor"])
def test_a_folder_that_is_no_version_is_left_alone_and_stops_nobody(tmp_path, kind):
    registry = registry_with(tmp_path, "1.0.0")
    stray = tmp_path / "models" / {"copy of a version": "1.0.0-copy"}.get(kind, ".checkpoints")
    stray.mkdir()
    if kind == "copy of a version":
        fill(stray, "1.0.0")
    elif kind != "empty folder":
        (stray / "notes.txt").write_text("mine")
    before = tree(tmp_path / "models")
    promote(registry, "1.0.0")
    assert registry.read().versions.keys() == {"1.0.0"}
    assert latest(registry.read()) == "1.0.0"
    assert stray.is_dir()
    assert tree(tmp_path / "models") == before


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"versions": {"1.0.0": {}}, "production": null, "replaced": []}', "\xff"],
)
def test_a_damaged_index_is_made_anew_from_the_audit_trail_and_kept_aside(tmp_path, content):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    before = registry.read()
    (tmp_path / "registry.json").write_bytes(content.encode("latin-1"))
    assert registry.read() == before
    assert "was edited or damaged" in registry.index_problem()
    promote(registry, "1.1.0")
    assert registry.index_problem() == ""
    assert registry.read().replaced == ("1.0.0",)
    assert (tmp_path / "registry.json.damaged").read_bytes() == content.encode("latin-1")


def test_an_index_edited_by_hand_puts_nothing_into_production(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    path = tmp_path / "registry.json"
    path.write_text(path.read_text().replace('"production": "1.0.0"', '"production": "1.1.0"'))
    assert registry.read().production == "1.0.0"


def test_the_index_is_readable_by_a_person_and_by_any_json_reader(tmp_path):
    promote(registry_with(tmp_path, "1.0.0"), "1.0.0")
    plain = json.loads((tmp_path / "registry.json").read_text())
    assert plain["production"] == "1.0.0"
    assert plain["versions"]["1.0.0"]["status"] == "production"
    assert (tmp_path / "registry.json").read_text().count("\n") > 10


PROMOTER = """
import sys
from pathlib import Path
from ml_sys.errors import ChampionChangedError
from ml_sys.registry.store import Registry
from tests.registry.versions import promote
registry = Registry(Path(sys.argv[1]))
input()
for version in sys.argv[2:]:
    while True:
        try:
            print(promote(registry, version))
            break
        except ChampionChangedError:
            continue
"""


def test_promotes_of_several_processes_at_once_lose_nothing(tmp_path):
    versions = [f"1.{minor}.0" for minor in range(3)]
    registry = registry_with(tmp_path, *versions)
    rounds = [version for _ in range(7) for version in versions]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTER, str(tmp_path), *rounds[start:], *rounds[:start]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for start in range(3)
    ]  # fmt: skip
    for writer in writers:  # they import for seconds and promote for milliseconds: start them together
        writer.stdin.write("go\n")
        writer.stdin.flush()
    before = []
    for writer, start in zip(writers, range(3), strict=True):
        out, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0
        order = rounds[start:] + rounds[:start]
        before += [
            said for said, version in zip(out.split(), order, strict=True) if said not in {version, "None"}
        ]
    index = registry.read()
    # Every promote that replaced a version left it on the stack, exactly once.
    assert sorted(index.replaced) == sorted(before)
    assert len(before) > len(versions)
    assert [v for v, entry in index.versions.items() if entry.status == "production"] == [index.production]


# Runs one write and dies at the nth thing it does to the file system, for n = 0, 1, 2… until it gets through.
KILLER = """
import os, shutil, signal, sys
from pathlib import Path
from ml_sys.registry.store import Registry
from tests.registry.versions import promote, registry_with, rollback

act, start, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
events = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
n = 0
while True:
    root = folder / str(n)
    shutil.copytree(start, root)
    child = os.fork()
    if child == 0:
        left = n
        def die(event, args):
            global left
            if event in events and str(root) in str(args[0]):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(die)
        if act == "add":
            registry_with(root, "2.0.0")
        elif act == "promote":
            promote(Registry(root), "1.1.0")
        else:
            rollback(Registry(root))
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    n += 1
print(n)
"""


@pytest.mark.parametrize("act", ["add", "promote", "rollback"])
def test_a_writer_killed_at_any_step_leaves_the_old_state_or_the_new_one(tmp_path, act):
    start = tmp_path / "start"
    registry = registry_with(start, "0.9.0", "1.0.0", "1.1.0")
    promote(registry, "0.9.0")
    promote(registry, "1.0.0")
    old = state(registry)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, act, str(start), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    kills = int(done.stdout)
    assert kills >= 6
    new = state(Registry(tmp_path / str(kills)))
    assert new != old
    seen = set()
    for n in range(kills):
        survivor = Registry(tmp_path / str(n))
        assert state(survivor) in (old, new)
        seen.add(state(survivor) == new)
        # The next command works, clears what was left, and finds nothing lost.
        registry_with(survivor.root, "3.0.0")
        index = survivor.read()
        assert not list(survivor.root.rglob(".tmp-*"))
        assert {*old.versions, "3.0.0"} <= set(index.versions)
        assert {path.name for path in (survivor.root / "models").iterdir()} == set(index.versions)
        assert index.production in {old.production, new.production}
    assert False in seen
