"""One index, one production pointer: nothing is lost, overwritten or half done."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import ArtifactError, AuditError, ChampionChangedError, UsageError
from ml_sys.registry import store
from ml_sys.registry.audit import Change
from ml_sys.registry.exclusive import Registering, registering_noted
from ml_sys.registry.index import Index, from_bytes, replayed, to_bytes
from ml_sys.registry.store import Registry, open_registry
from ml_sys.settings import Settings
from tests.registry.versions import ABC, add, fill, promote, registry_with, rollback, state, statuses, tree


def test_a_registry_that_was_never_written_is_empty_and_stays_unwritten(tmp_path):
    assert Registry(tmp_path / "artifacts").read() == Index()
    assert Registry(tmp_path / "artifacts").strangers() == []
    with pytest.raises(ArtifactError, match="contains no model") as caught:
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
    st.tuples(st.just("promote"), st.integers(0, 3)),
    st.tuples(st.just("rollback"), st.none() | st.integers(0, 3)),
)


@given(steps=st.lists(STEP, max_size=14), data=st.data())
def test_the_pointer_follows_any_sequence_of_acts_and_the_trail_replays_to_it(tmp_path_factory, steps, data):
    """Production is the top of a stack: promote pushes, unless it is the top already, and rollback pops."""
    root = tmp_path_factory.mktemp("walk")
    writers = [Registry(root, actor=name) for name in ("ada", "bob")]
    versions, stack, served, acts = [], [], set(), 0
    for act, number in steps:
        writer = data.draw(st.sampled_from(writers))
        version = None if number is None else f"1.{number}.0"
        earlier = [at for at, one in enumerate(stack[:-1]) if version in (None, one) and one != stack[-1]]
        if act == "add":
            versions.append(add(writer, f"1.{len(versions)}.0").version)
        elif act == "promote" and version in versions:
            promote(writer, version)
            if stack[-1:] == [version]:
                continue
            stack.append(version)
        elif act == "rollback" and earlier:
            assert rollback(writer, version) == (stack[-1], stack[earlier[-1]])
            del stack[earlier[-1] + 1 :]
        else:
            with pytest.raises(ArtifactError):
                promote(writer, version) if act == "promote" else rollback(writer, version)
            continue
        acts += 1
        served.update(stack[-1:])
        index = writers[0].read()
        assert (index.production, list(index.replaced)) == (stack[-1] if stack else None, stack[:-1])
        assert {name: entry.status for name, entry in index.versions.items()} == {
            name: "production" if name in stack[-1:] else "archived" if name in served else "candidate"
            for name in versions
        }
        assert index.sequence == acts
        assert index == writers[1].read() == replayed(writers[1].trail().records)
        assert index == from_bytes((root / "registry.json").read_bytes())


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


def test_reading_writes_nothing(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    (tmp_path / "registry.json").write_bytes(to_bytes(Index()))
    (tmp_path / ".tmp-0123456789abcdef").write_text("{")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.rglob("*")}
    registry.read()
    registry.trail()
    registry.resolve(None)
    registry.open("1.0.0")
    registry.index_problem()
    registry.strangers()
    after = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.rglob("*")}
    assert after == before


@pytest.mark.parametrize("act", ["recover", "promote", "rollback"])
def test_nothing_is_made_in_a_folder_that_holds_no_registry(tmp_path, act):
    registry = Registry(tmp_path / "typing error")
    if act == "recover":
        registry.recover()
    else:
        with pytest.raises(ArtifactError):
            registry.promote("1.0.0", None, Change()) if act == "promote" else rollback(registry)
    assert list(tmp_path.iterdir()) == []


def test_two_registries_know_nothing_of_each_other(tmp_path):
    one, other = registry_with(tmp_path / "one", "1.0.0"), registry_with(tmp_path / "other", "1.0.0", "2.0.0")
    promote(other, "2.0.0")
    before = tree(tmp_path / "other")
    promote(one, "1.0.0")
    assert tree(tmp_path / "other") == before
    with pytest.raises(ArtifactError, match="no version"):
        one.open("2.0.0")


def test_a_rollback_to_an_earlier_version_forgets_those_after_it(tmp_path):
    registry = registry_with(tmp_path, *ABC, "3.0.0")
    for version in (*ABC, "1.0.0"):
        promote(registry, version)
    assert rollback(registry, "1.1.0") == ("1.0.0", "1.1.0")
    assert registry.read().replaced == ("1.0.0",)
    assert rollback(registry) == ("1.1.0", "1.0.0")


@pytest.mark.parametrize(
    ("to", "said", "hinted"),
    [
        (
            "3.0.0",
            "version 3.0.0 was not in production before 2.0.0",
            "go back to one of 1.1.0, 1.0.0; or mlsys",
        ),
        ("2.0.0", "version 2.0.0 is in production already", "mlsys history"),
        ("1.0.1", "there is no version 1.0.1", "did you mean 1.0.0?"),
    ],
)
def test_a_rollback_to_what_was_not_there_before_is_refused_kindly(tmp_path, to, said, hinted):
    registry = registry_with(tmp_path, *ABC, "3.0.0")
    for version in ("2.0.0", *ABC):
        promote(registry, version)
    before = tree(tmp_path)
    with pytest.raises(ArtifactError) as caught:
        rollback(registry, to)
    assert said in caught.value.message
    assert hinted in caught.value.hint
    assert tree(tmp_path) == before


def test_a_promotion_against_a_champion_that_is_none_any_more_is_refused(tmp_path):
    registry = registry_with(tmp_path, *ABC)
    promote(registry, "1.0.0")
    before = tree(tmp_path)
    for judged in (None, "1.1.0"):
        with pytest.raises(ChampionChangedError, match=r"^1\.0\.0 is in production now") as caught:
            registry.promote("2.0.0", judged, Change())
        assert f"judged against {judged or 'none'}" in caught.value.message
        assert "promote again" in caught.value.hint
    assert tree(tmp_path) == before


def test_every_record_names_who_did_it(tmp_path, monkeypatch):
    Registry(tmp_path, actor="ada").add(lambda folder, _: fill(folder, "1.0.0"))
    promote(Registry(tmp_path, actor="bob"), "1.0.0")
    add(Registry(tmp_path), "1.1.0")

    def nobody() -> str:
        raise KeyError("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)
    add(Registry(tmp_path), "1.2.0")
    by = [record.by for record in Registry(tmp_path).trail().records]
    host = socket.gethostname()
    assert by[:2] == ["ada", "bob"]
    assert by[2].endswith(f"@{host}")
    assert by[2] != f"@{host}"
    assert by[3] == f"unknown@{host}"


def test_a_reason_is_kept_as_it_was_given_and_half_a_character_stops_nobody(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0", "Ärger with “1.1.0”\n😀")
    promote(registry, "1.1.0", "caf\udce9")  # what a shell passes for a byte that is no UTF-8
    assert [record.reason for record in registry.trail().records[2:]] == ["Ärger with “1.1.0”\n😀", "caf?"]
    assert registry.index_problem() == ""


@pytest.mark.parametrize("moment", ["while the record is written", "after the record was written"])
def test_a_person_who_interrupts_loses_no_version(tmp_path, monkeypatch, moment):
    registry = registry_with(tmp_path, "1.0.0")
    old, replace_file = state(registry), os.replace

    def interrupted(*paths: object) -> None:
        if str(paths[-1]).endswith("registering.json"):
            replace_file(*paths)
        else:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, *{"w": ("ftruncate", interrupted), "a": ("replace", interrupted)}[moment[0]])
        with pytest.raises(KeyboardInterrupt):
            add(registry, "1.1.0")
    if moment.startswith("while"):
        assert state(registry) == old
        assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["1.0.0"]
    else:
        assert set(registry.read().versions) == {"1.0.0", "1.1.0"}
        registry.open("1.1.0")
    assert not list(tmp_path.rglob(".tmp-*"))
    promote(registry, "1.0.0")
    assert registry.index_problem() == ""


PROMOTER = """
import sys
from pathlib import Path
from ml_sys.errors import ChampionChangedError
from ml_sys.registry.store import Registry
from tests.registry.versions import (
    ABC, add, fill, promote, put, registry_with, rollback, signed_by, small_entry, state, statuses, tree,
)
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
        out, _ = writer.communicate(timeout=300)
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
from tests.registry.versions import (
    ABC, add, fill, promote, put, registry_with, rollback, signed_by, small_entry, state, statuses, tree,
)

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
        if act in {"add", "first"}:
            registry_with(root, "2.0.0")
        elif act == "accept":
            Registry(root, actor="tester").accept_trail("restored")
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


@pytest.mark.parametrize("act", ["first", "add", "promote", "rollback"])
def test_a_writer_killed_at_any_step_leaves_the_old_state_or_the_new_one(tmp_path, act):
    start = tmp_path / "start"
    registry = Registry(start, actor="tester")
    start.mkdir()
    if act != "first":
        registry_with(start, "0.9.0", "1.0.0", "1.1.0")
        promote(registry, "0.9.0")
        promote(registry, "1.0.0")
    old = state(registry)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, act, str(start), str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    kills = int(done.stdout)
    assert kills >= 6
    new = state(Registry(tmp_path / str(kills)))
    assert new != old
    seen = set()
    for n in range(kills):
        survivor = Registry(tmp_path / str(n))
        assert survivor.index_problem() == ""  # nobody tampered with anything
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


def test_an_alarm_rings_until_the_trail_is_accepted_wherever_who_accepts_it_is_killed(tmp_path):
    start = tmp_path / "start"
    promote(registry_with(start, "1.0.0"), "1.0.0")
    (start / "registry.json").unlink()
    done = subprocess.run(
        [sys.executable, "-c", KILLER, "accept", str(start), str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    kills = int(done.stdout)
    assert kills >= 4
    for n in range(kills):
        survivor = Registry(tmp_path / str(n))
        accepted = survivor.index_problem() == ""
        if accepted:
            assert survivor.trail().records[-1].action == "accept"
        else:
            with pytest.raises(AuditError, match="is missing"):
                survivor.read()
            survivor.accept_trail("again")
        assert survivor.read().production == "1.0.0"


def test_a_registry_is_opened_with_all_that_the_settings_name(tmp_path):
    settings = Settings.model_validate(
        {
            "artifacts_dir": tmp_path,
            "model": {"estimator": "own_models:Quick", "params": {}},
            "features": {"extra": ["own_features:steady"]},
            "registry": {"actor": "night shift", "lock_timeout_seconds": 3.5},
        }
    )
    registry = open_registry(settings)
    assert registry.root == tmp_path
    assert registry._named == {"own_models:Quick", "own_features:steady"}
    assert (registry._author.accepted("").by, registry._wait_seconds) == ("night shift", 3.5)


def test_a_version_is_noted_before_its_folder_has_a_name(tmp_path, monkeypatch):
    registry, seen = registry_with(tmp_path, "1.0.0"), []
    publish = store.publish_folder

    def looked(staging, target) -> None:
        seen.append((registering_noted(tmp_path), target.exists()))
        publish(staging, target)

    monkeypatch.setattr(store, "publish_folder", looked)
    entry = add(registry, "1.1.0")
    assert seen == [(Registering("1.1.0", entry.seal), False)]
    assert registering_noted(tmp_path) is None


@pytest.mark.parametrize("name", ["../1.0.0", "1.0", "", "models/1.0.0"])
def test_only_what_is_a_version_can_be_accepted_as_one(tmp_path, name):
    registry = registry_with(tmp_path, "1.0.0")
    with pytest.raises(UsageError, match="is not a version"):
        registry.accept_version(name, "no reason")


def test_what_killed_writers_left_is_looked_for_where_only_the_trail_is_left(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    (tmp_path / "registry.json").unlink()
    with pytest.raises(AuditError, match="is missing"):
        registry.recover()
    nothing = Registry(tmp_path / "nothing")
    nothing.recover()
    assert not nothing.root.exists()
