"""The trail and the index that follows from it: where they disagree, nothing goes on unasked."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ml_sys.errors import ArtifactError, AuditError
from ml_sys.registry.audit import Change
from ml_sys.registry.index import Index, to_bytes
from ml_sys.registry.store import Registry
from tests.registry.versions import (
    ABC,
    add,
    promote,
    registry_with,
    rollback,
    statuses,
    tree,
)


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
        with pytest.raises(AuditError, match=r"registry\.json was edited or damaged; .* cut off") as caught:
            act()
        assert "mlsys accept --reason" in caught.value.hint
    assert "was edited or damaged" in registry.accept_trail("an editor")
    assert registry.index_problem() == ""
    assert registry.read().versions == before.versions
    assert registry.read().production == before.production
    assert (tmp_path / "registry.json.damaged").read_bytes() == content.encode("latin-1")
    record = registry.trail().records[-1]
    assert (record.action, record.reason) == ("accept", "an editor")
    assert "was edited or damaged" in record.verdict["found"]


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
    assert "does not agree with the audit trail" in registry.index_problem()
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


def test_a_version_may_be_registered_wherever_the_trail_cannot_be_read(tmp_path):
    registry = registry_with(tmp_path, "1.0.0")
    state = registry._state
    assert state.knows("1.0.0")
    assert not state.knows("1.1.0")
    (tmp_path / "audit.jsonl").write_text("{}\n")
    assert state.knows("1.1.0")


def test_a_trail_written_anew_with_digests_that_fit_is_not_the_one_the_index_followed_from(tmp_path):
    registry = registry_with(tmp_path / "a", "1.0.0")
    other = registry_with(tmp_path / "b", "1.0.0", "1.1.0")
    for n in (1, 2):
        lines = (other.root / "audit.jsonl").read_bytes().splitlines(keepends=True)[:n]
        (registry.root / "audit.jsonl").write_bytes(b"".join(lines))
        assert "record 1 or one before it was rewritten" in registry.index_problem()


def test_records_appended_one_after_the_other_are_as_long_as_the_file(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    trail, index = registry.trail(), registry.read()
    for n, version in enumerate(("1.0.0", "1.1.0")):
        record = registry._author.moved("promote", version, index.production, Change(str(n)))
        trail, index = registry._state.append(trail, index, record)
        assert trail.size == (tmp_path / "audit.jsonl").stat().st_size
    assert registry.trail() == trail
    assert registry.read() == index
