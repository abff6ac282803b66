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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import ArtifactError, AuditError, BusyError, ChampionChangedError, UnverifiedError
from ml_sys.model.files.artifact import write_artifact
from ml_sys.model.files.signing import NO_KEYS, Keys, make_keys, read_keys
from ml_sys.registry.audit import Change
from ml_sys.registry.exclusive import Registering, note
from ml_sys.registry.index import Index, from_bytes, latest, replayed, to_bytes
from ml_sys.registry.store import Registry, open_registry
from ml_sys.settings import Settings
from tests.registry.versions import add, fill, promote, registry_with, rollback, small_entry

ABC = ("1.0.0", "1.1.0", "2.0.0")


def statuses(registry):
    return {version: entry.status for version, entry in registry.read().versions.items()}


def state(registry):
    """What the registry says, but for the digest that holds the time of its last record."""
    return replace(registry.read(), head="")


def put(registry, version, keys=NO_KEYS):
    """Let the folder of a version appear that nobody registers."""
    folder = registry.folder(version)
    folder.mkdir()
    return fill(folder, version, keys)


def tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_a_registry_that_was_never_written_is_empty_and_stays_unwritten(tmp_path):
    assert Registry(tmp_path / "artifacts").read() == Index()
    assert Registry(tmp_path / "artifacts").strangers() == []
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


def test_what_a_killed_writer_left_is_cleared_by_the_next_command(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    half = tmp_path / "models" / ".tmp-0123456789abcdef"
    half.mkdir()
    (half / "weights").write_bytes(b"half")
    (tmp_path / ".tmp-fedcba9876543210").write_text('{"versions": {')
    assert registry.read().versions.keys() == {"1.0.0"}
    promote(registry, "1.0.0")
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_version_whose_writer_was_killed_before_it_was_registered_is_registered_by_the_next(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    promote(registry, "1.0.0")
    entry = put(registry, "1.1.0")
    note(tmp_path, Registering("1.1.0", entry.seal))
    registry.recover()
    assert registry.trail().records[-1].action == "adopt"
    assert not (tmp_path / "registering.json").exists()
    assert promote(registry, "1.1.0") == "1.0.0"
    assert asdict(registry.read().versions["1.1.0"]) == {**asdict(entry), "status": "production"}


@pytest.mark.parametrize("noted", ["nothing", "another seal", "another version", "no note"])
def test_a_folder_that_nobody_was_registering_is_left_until_somebody_accepts_it(tmp_path, noted):
    registry = registry_with(tmp_path, "1.0.0")
    entry = put(registry, "1.1.0")
    if noted in {"another seal", "another version"}:
        version = "1.1.0" if noted == "another seal" else "1.2.0"
        note(tmp_path, Registering(version, "0" * 64 if noted == "another seal" else entry.seal))
    elif noted == "no note":
        (tmp_path / "registering.json").write_text("[")
    for act in (registry.recover, lambda: promote(registry, "1.0.0"), lambda: add(registry, "1.3.0")):
        act()
        assert "1.1.0" not in registry.read().versions
        assert registry.strangers() == ["1.1.0"]
    assert registry.accept_version("1.1.0", "from the other machine") == entry
    record = registry.trail().records[-1]
    assert (record.action, record.version, record.reason) == ("adopt", "1.1.0", "from the other machine")
    assert registry.strangers() == []
    with pytest.raises(ArtifactError, match="registered already"):
        registry.accept_version("1.1.0", "again")


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
def test_a_damaged_index_stops_everything_until_somebody_accepts_the_trail(tmp_path, content):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    before = registry.read()
    (tmp_path / "registry.json").write_bytes(content.encode("latin-1"))
    assert "was edited or damaged" in registry.index_problem()
    for act in (registry.read, registry.recover, lambda: add(registry, "2.0.0")):
        with pytest.raises(AuditError, match=r"registry\.json was edited or damaged, .* cut off") as caught:
            act()
        assert "mlsys accept --reason" in caught.value.hint
    assert "was edited or damaged" in registry.accept_trail("an editor")
    assert registry.index_problem() == ""
    assert registry.read().versions == before.versions
    assert registry.read().production == before.production
    assert (tmp_path / "registry.json.damaged").read_bytes() == content.encode("latin-1")
    record = registry.trail().records[-1]
    assert (record.action, record.reason) == ("accept", "an editor")
    assert "was edited or damaged" in record.evidence["found"]


def test_an_index_edited_by_hand_puts_nothing_into_production(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    path = tmp_path / "registry.json"
    path.write_text(path.read_text().replace('"production": "1.0.0"', '"production": "1.1.0"'))
    with pytest.raises(AuditError):
        registry.read()
    registry.accept_trail("a hand")
    assert registry.read().production == "1.0.0"


@pytest.mark.parametrize("cut", range(4))
def test_a_missing_index_beside_a_trail_is_an_alarm_however_much_of_the_trail_is_left(tmp_path, cut):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    promote(registry, "1.1.0")
    lines = (tmp_path / "audit.jsonl").read_bytes().splitlines(keepends=True)
    left = b"".join(lines[: len(lines) - cut])
    (tmp_path / "audit.jsonl").write_bytes(left)
    (tmp_path / "registry.json").unlink()
    acts = (
        registry.read,
        registry.recover,
        lambda: add(registry, "2.0.0"),
        lambda: promote(registry, "1.0.0"),
        lambda: rollback(registry),
    )
    for act in acts:
        with pytest.raises(AuditError, match=r"audit\.jsonl: .*registry\.json is missing") as caught:
            act()
        assert "mlsys accept --reason" in caught.value.hint
    assert not (tmp_path / "registry.json").exists()
    assert (tmp_path / "audit.jsonl").read_bytes() == left
    assert "registry.json is missing" in registry.accept_trail("the disk was full, and I deleted it")
    assert (tmp_path / "audit.jsonl").read_bytes().startswith(left)
    assert registry.read().production == {0: "1.1.0", 1: "1.0.0"}.get(cut)
    assert registry.index_problem() == ""


def test_half_a_first_record_without_an_index_is_an_alarm_too(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    content = (tmp_path / "audit.jsonl").read_bytes()
    (tmp_path / "audit.jsonl").write_bytes(content[:50])
    (tmp_path / "registry.json").unlink()
    with pytest.raises(AuditError, match="is missing"):
        registry.read()


def test_a_trail_shorter_than_the_index_remembers_can_be_accepted_and_who_did_is_on_record(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    promote(registry, "1.1.0")
    lines = (tmp_path / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:-1]))
    assert registry.accept_trail("restored from Sunday's copy").startswith("record 4 was dropped")
    assert registry.read().production == "1.0.0"
    assert [one.action for one in registry.trail().records] == ["add", "add", "promote", "accept"]
    promote(registry, "1.1.0")
    assert registry.index_problem() == ""


def test_where_nothing_is_wrong_there_is_nothing_to_accept(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    before = tree(tmp_path)
    with pytest.raises(ArtifactError, match=r"is the one that registry\.json remembers"):
        registry.accept_trail("to be sure")
    assert tree(tmp_path) == before


def test_the_index_is_readable_by_a_person_and_by_any_json_reader(tmp_path):
    promote(registry_with(tmp_path, "1.0.0"), "1.0.0")
    plain = json.loads((tmp_path / "registry.json").read_text())
    assert plain["production"] == "1.0.0"
    assert plain["versions"]["1.0.0"]["status"] == "production"
    assert (tmp_path / "registry.json").read_text().count("\n") > 10


def test_an_index_whose_digest_was_made_to_fit_is_found_kept_aside_and_made_anew(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    true = registry.read()
    forged = to_bytes(replace(true, production="1.1.0"))
    (tmp_path / "registry.json").write_bytes(forged)
    assert "says something else than the audit trail" in registry.index_problem()
    registry.recover()
    assert registry.read() == true
    assert (tmp_path / "registry.json.damaged").read_bytes() == forged


@pytest.mark.parametrize("lag", range(6))
def test_an_index_that_lags_behind_is_sound_and_read_as_if_it_did_not(tmp_path, lag):
    registry = Registry(tmp_path, actor="tester")
    stages = [to_bytes(Index())]  # what is there before the first record
    for act in (
        lambda: add(registry, "1.0.0"),
        lambda: promote(registry, "1.0.0"),
        lambda: add(registry, "1.1.0"),
        lambda: promote(registry, "1.1.0"),
        lambda: rollback(registry),
    ):
        act()
        stages.append((tmp_path / "registry.json").read_bytes())
    newest = registry.read()
    (tmp_path / "registry.json").write_bytes(stages[-1 - lag])
    assert registry.read() == newest
    assert registry.index_problem() == ""
    registry.recover()
    assert (tmp_path / "registry.json").read_bytes() == stages[-1]
    assert not (tmp_path / "registry.json.damaged").exists()


def test_an_index_ahead_of_the_trail_stops_every_writer_and_no_reader(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    promote(registry, "1.1.0")
    lines = (tmp_path / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:-1]))
    before = tree(tmp_path)
    for act in (
        registry.recover,
        lambda: add(registry, "2.0.0"),
        lambda: promote(registry, "1.0.0"),
        lambda: rollback(registry),
    ):
        with pytest.raises(AuditError, match=r"audit\.jsonl: record 4 was dropped"):
            act()
    assert tree(tmp_path) == before
    assert registry.read().production == "1.1.0"
    assert registry.open("1.1.0").text("weights") == "weights of 1.1.0"


def test_a_trail_and_an_index_that_are_both_damaged_are_an_error_of_readers_too(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    (tmp_path / "registry.json").write_text("{")
    (tmp_path / "audit.jsonl").write_text("{}\n")
    with pytest.raises(AuditError, match="record 1 was edited"):
        registry.read()
    with pytest.raises(AuditError):
        registry.index_problem()


def test_a_registry_whose_books_were_moved_aside_registers_what_is_accepted_anew(tmp_path):
    """What the hint of an audit trail that is beyond repair says."""
    registry = registry_with(tmp_path, *ABC)
    promote(registry, "1.1.0")
    for name in ("registry.json", "audit.jsonl"):
        (tmp_path / name).rename(tmp_path / f"{name}.old")
    registry.recover()
    assert registry.strangers() == list(ABC)
    for version in ABC:
        registry.accept_version(version, "the trail was beyond repair")
    assert statuses(registry) == dict.fromkeys(ABC, "candidate")
    assert [record.action for record in registry.trail().records] == ["adopt"] * 3
    for version in ABC:
        registry.open(version)


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


HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    input()
"""


def test_a_writer_waits_for_another_one_and_says_so_when_that_takes_too_long(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    impatient = Registry(tmp_path, wait_seconds=0.2)
    before = tree(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "registry.lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == "held\n"
        for act in (impatient.recover, lambda: add(impatient, "2.0.0"), lambda: promote(impatient, "1.1.0")):
            began = time.monotonic()
            with pytest.raises(BusyError, match=r"another process has been writing .* for 0\.2 s") as caught:
                act()
            assert time.monotonic() - began >= 0.2
            assert "registry.lock_timeout_seconds" in caught.value.hint
        assert impatient.read().production == "1.0.0"
        impatient.open("1.0.0")
        assert tree(tmp_path) == before
        waiting = threading.Timer(0.3, holder.stdin.write, ["go\n"])
        waiting.start()
        threading.Timer(0.4, holder.stdin.close).start()
        promote(registry, "1.1.0")
    finally:
        holder.kill()
        holder.wait()
    assert registry.read().production == "1.1.0"


def test_readers_see_every_state_in_order_while_a_writer_writes(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    seen, problems, stop = [], [], threading.Event()

    def look() -> None:
        reader = Registry(tmp_path)
        while not stop.is_set():
            index = reader.read()
            seen.append(index.sequence)
            problems.append(reader.index_problem())
            reader.open(reader.resolve(None))
            if index.production is not None:
                assert index.versions[index.production].status == "production"

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for n in range(40):
            add(registry, f"2.{n}.0") if n % 4 == 0 else promote(registry, f"1.{n % 2}.0")
        stop.set()
        looking.result()
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert set(problems) == {""}


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


def signed_by(folder: Path) -> Keys:
    make_keys(folder)
    return read_keys(str(folder), ())


@pytest.mark.parametrize("signed", ["by us", "by a trusted one", "by somebody else", "by nobody"])
def test_an_orphan_is_registered_only_if_its_signature_counts(tmp_path, signed):
    ours, theirs = signed_by(tmp_path / "ours"), signed_by(tmp_path / "theirs")
    trusted = (*ours.trusted, *theirs.trusted) if signed == "by a trusted one" else ours.trusted
    maker = {"by us": ours, "by nobody": NO_KEYS}.get(signed, theirs)
    registry = Registry(tmp_path / "artifacts", keys=Keys(ours.private, trusted))
    add(registry, "1.0.0")
    orphan = registry.folder("1.1.0")
    note(registry.root, Registering("1.1.0", put(registry, "1.1.0", maker).seal))
    before = tree(orphan)
    registry.recover()
    if signed in {"by us", "by a trusted one"}:
        assert statuses(registry) == {"1.0.0": "candidate", "1.1.0": "candidate"}
        assert registry.open("1.1.0").text("weights") == "weights of 1.1.0"
        assert registry.strangers() == []
    else:
        assert set(registry.read().versions) == {"1.0.0"}
        assert registry.strangers() == ["1.1.0"]
        with pytest.raises(UnverifiedError, match=r"manifest\.sig"):
            registry.accept_version("1.1.0", "I know them")
    assert tree(orphan) == before


def test_a_version_that_was_registered_unsigned_is_not_used_once_signatures_are_asked_for(tmp_path):
    registry_with(tmp_path / "artifacts", "1.0.0")
    registry = Registry(tmp_path / "artifacts", keys=signed_by(tmp_path / "key"))
    with pytest.raises(
        UnverifiedError, match=r"manifest\.sig: is missing, and only signed versions are used"
    ):
        registry.open("1.0.0")


@pytest.mark.parametrize(
    "harm",
    [
        "a bit of a file",
        "a file missing",
        "a file too many",
        "no manifest",
        "another version's name",
        "a link",
        "an entry that says production",
        "an entry that lacks its metrics",
        "an entry with an odd metric",
        "an entry with an unknown field",
    ],
)
def test_an_orphan_that_is_not_whole_is_left_alone_and_stops_nobody(tmp_path, harm):
    registry = registry_with(tmp_path, "1.0.0")
    orphan = registry.folder("1.1.0")
    orphan.mkdir()
    entry = {name: value for name, value in asdict(small_entry("1.1.0")).items() if name != "seal"}
    entry |= {"an entry that says production": {"status": "production"}}.get(harm, {})
    entry |= {"an entry with an odd metric": {"metrics": {"average_precision": "<b>"}}}.get(harm, {})
    entry |= {"an entry with an unknown field": {"colour": "red"}}.get(harm, {})
    if harm == "an entry that lacks its metrics":
        del entry["metrics"]
    if harm == "another version's name":
        entry["version"] = "1.2.0"
    write_artifact(orphan, {"weights": b"weights"}, {"entry": entry})
    if harm == "a bit of a file":
        (orphan / "weights").write_bytes(b"veights")
    elif harm == "a file missing":
        (orphan / "weights").unlink()
    elif harm == "a file too many":
        (orphan / "notes").write_text("mine")
    elif harm == "no manifest":
        (orphan / "manifest.json").unlink()
    elif harm == "a link":
        orphan.rename(tmp_path / "elsewhere")
        orphan.symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "models")
    note(tmp_path, Registering("1.1.0", "0" * 64))
    promote(registry, "1.0.0")
    assert statuses(registry) == {"1.0.0": "production"}
    assert registry.strangers() == ["1.1.0"]
    with pytest.raises(UnverifiedError):
        registry.accept_version("1.1.0", "it looks whole")
    assert tree(tmp_path / "models") == before
    # And it is not written over by a version of its name.
    with pytest.raises(
        ArtifactError, match=r"1\.1\.0: exists already, and does not verify as a version"
    ) as caught:
        add(registry, "1.1.0")
    assert "move it out" in caught.value.hint
    assert tree(tmp_path / "models") == before


def test_what_was_being_registered_is_so_before_a_version_of_the_same_name_is_added(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    note(tmp_path, Registering("1.1.0", put(registry, "1.1.0").seal))
    with pytest.raises(ArtifactError, match=r"version 1\.1\.0 exists already"):
        add(registry, "1.1.0")
    assert statuses(registry) == {"1.0.0": "candidate", "1.1.0": "candidate"}


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
        capture_output=True, text=True, timeout=60, check=True,
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
        capture_output=True, text=True, timeout=60, check=True,
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
