"""The audit trail: what is done to it by hand is found and named, and what it says of production is right."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ml_sys.errors import AuditError, StorageError
from ml_sys.registry import audit
from ml_sys.registry.audit import Author, Change, Record, Trail, sealed
from ml_sys.registry.history import Stint, live_at, parse_moment, stints
from ml_sys.registry.index import Index, replayed, to_bytes
from ml_sys.registry.store import Registry
from tests.registry.versions import promote, registry_with, rollback, small_entry

RECORDS = 6


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with a story of six records; not to be changed."""
    registry = registry_with(tmp_path_factory.mktemp("told"), "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    promote(registry, "1.1.0", "sales asked for it – “now”")
    rollback(registry)
    registry.promote("1.1.0", "1.0.0", Change("again", forced=True, verdict={"passed": False, "p": 0.25}))
    return registry.root


@pytest.fixture(scope="module")
def lines(told: Path) -> list[bytes]:
    found = (told / "audit.jsonl").read_bytes().splitlines(keepends=True)
    assert len(found) == RECORDS
    return found


@pytest.fixture
def judged(told: Path, tmp_path: Path):
    """Put a trail in place of the told one and say what is found, by a reader or else by the next writer."""

    def judge(content: bytes) -> str:
        for name in ("registry.json", "audit.jsonl"):
            (tmp_path / name).write_bytes((told / name).read_bytes())
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "audit.jsonl").write_bytes(content)
        index = (tmp_path / "registry.json").read_bytes()
        registry = Registry(tmp_path)
        with pytest.raises(AuditError) as caught:
            registry.recover()
        assert "restore it from a copy" in caught.value.hint
        # The evidence stays as it was found, and what was registered before can still be used.
        assert (tmp_path / "registry.json").read_bytes() == index
        assert (tmp_path / "audit.jsonl").read_bytes() == content
        assert registry.read().production == "1.1.0"
        place, _, problem = caught.value.message.partition(": ")
        assert place == str(tmp_path / "audit.jsonl")
        return problem

    return judge


def edited(line: bytes, **fields: object) -> bytes:
    """Return a record's line with other content, its digest as it was."""
    return json.dumps({**json.loads(line), **fields}, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def forged(line: bytes, **fields: object) -> bytes:
    """Return a record's line with other content and the digest that belongs to it."""
    record = Record(**{**json.loads(line), **fields})
    before = Trail(tuple(replace(record, hash=record.previous) for _ in range(record.sequence - 1)))
    return audit.line(audit.sealed(record, before))


def chained(*records: Record) -> bytes:
    """Return a whole trail whose digests all fit, whatever it says."""
    trail = Trail()
    for record in records:
        trail = Trail((*trail.records, audit.sealed(record, trail)))
    return b"".join(audit.line(record) for record in trail.records)


def test_a_trail_is_read_as_it_was_written(told, lines):
    trail = Registry(told).trail()
    assert [record.action for record in trail.records] == [
        *("add", "add", "promote", "promote", "rollback", "promote")
    ]
    assert [record.sequence for record in trail.records] == [1, 2, 3, 4, 5, 6]
    assert trail.records[3].reason == "sales asked for it – “now”"
    assert trail.records[5].forced
    assert trail.records[5].verdict == {"passed": False, "p": 0.25}
    assert trail.size == sum(map(len, lines))
    assert not trail.torn
    assert b"".join(audit.line(record) for record in trail.records) == b"".join(lines)


def test_no_trail_is_an_empty_one(tmp_path):
    assert audit.read(tmp_path / "audit.jsonl") == Trail()
    assert audit.length(tmp_path / "audit.jsonl") == 0


def test_a_trail_that_cannot_be_read_is_named(tmp_path):
    for read in (audit.read, audit.length):
        with pytest.raises(StorageError, match="cannot be read: Is a directory"):
            read(tmp_path)


@pytest.mark.parametrize("number", [1, 4, RECORDS])
def test_every_byte_of_a_record_counts(lines, tmp_path, number):
    path, line = tmp_path / "audit.jsonl", lines[number - 1]
    following = lines[number : number + 1]
    for at in range(len(line) - (not following)):  # without its last newline a last record is no edited one
        changed = bytearray(line)
        changed[at] ^= 1 << at % 8
        path.write_bytes(b"".join([*lines[: number - 1], changed, *following]))
        with pytest.raises(AuditError, match=f"record {number} was edited"):
            audit.read(path)


@pytest.mark.parametrize("number", range(1, RECORDS + 1))
def test_an_edited_record_is_named(judged, lines, number):
    lines = lines.copy()
    lines[number - 1] = edited(lines[number - 1], by="somebody else")
    assert judged(b"".join(lines)) == f"record {number} was edited"


@pytest.mark.parametrize("number", range(1, RECORDS + 1))
def test_an_edited_record_is_named_even_if_its_digest_was_made_to_fit(judged, lines, number):
    lines = lines.copy()
    lines[number - 1] = forged(lines[number - 1], by="somebody else")
    problem = judged(b"".join(lines))
    if number < RECORDS:
        assert problem == f"record {number} was edited: record {number + 1} does not follow from it"
    else:
        assert problem.startswith(f"record {number} or one before it was rewritten")


@pytest.mark.parametrize("number", range(1, RECORDS + 1))
def test_a_dropped_record_is_named(judged, lines, number):
    assert judged(b"".join(lines[: number - 1] + lines[number:])).startswith(f"record {number} was dropped")


@pytest.mark.parametrize("kept", range(RECORDS))
def test_the_last_records_cannot_be_dropped_unseen(judged, lines, kept):
    assert judged(b"".join(lines[:kept])).startswith(f"record {kept + 1} was dropped")
    assert judged(b"".join(lines[: kept + 1])[:-1]).startswith(f"record {kept + 1} was dropped")  # no newline


def test_dropped_records_are_found_without_a_writer_too(told, lines, tmp_path):
    (tmp_path / "registry.json").write_bytes((told / "registry.json").read_bytes())
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:4]))
    assert Registry(tmp_path).index_problem().startswith("record 5 was dropped")


def test_two_records_that_changed_places_are_named(judged, lines):
    for first in range(RECORDS):
        for second in range(first + 1, RECORDS):
            swapped = lines.copy()
            swapped[first], swapped[second] = swapped[second], swapped[first]
            assert judged(b"".join(swapped)) == f"record {second + 1} comes before record {first + 1}"


@pytest.mark.parametrize("number", range(1, RECORDS + 1))
def test_a_repeated_record_is_named(judged, lines, number):
    repeated = lines[:number] + lines[number - 1 :]
    expected = f"record {number} is repeated in place of record {number + 1}"
    assert judged(b"".join(repeated)) == expected


@pytest.mark.parametrize(
    "noise", [b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"sequence":7}\n']
)
@pytest.mark.parametrize("number", [1, 4, RECORDS + 1])
def test_a_line_that_is_no_record_is_named(judged, lines, number, noise):
    problem = judged(b"".join(lines[: number - 1]) + noise + b"".join(lines[number - 1 :]))
    assert problem == f"record {number} was edited"


def test_lines_that_an_editor_ended_its_own_way_are_edited_ones(judged, lines):
    assert judged(b"".join(lines).replace(b"\n", b"\r\n")) == "record 1 was edited"
    assert judged(b"\xef\xbb\xbf" + b"".join(lines)) == "record 1 was edited"


def test_a_record_of_the_right_digest_and_a_number_that_is_none_is_an_edited_one(judged, lines):
    record = Record(**{**json.loads(lines[0]), "sequence": "one"})
    plain = {name: value for name, value in asdict(record).items() if name != "hash"}
    line = json.dumps({**plain, "hash": audit._digest(plain)}, sort_keys=True, separators=(",", ":"))
    assert judged(line.encode() + b"\n" + b"".join(lines[1:])) == "record 1 was edited"


@given(data=st.data())
@settings(max_examples=150)
def test_no_edit_of_any_kind_goes_unseen(told, lines, tmp_path_factory, data):
    """Bytes are put in place of others anywhere: refused, or what is left says less and is refused then."""
    root = tmp_path_factory.mktemp("edit")
    content = b"".join(lines)
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + data.draw(st.sampled_from([1, 40, 5000])))))
    new = data.draw(st.binary(max_size=20) | st.sampled_from(lines))
    changed = content[:start] + new + content[end:]
    assume(changed != content)
    (root / "models").mkdir()
    (root / "audit.jsonl").write_bytes(changed)
    (root / "registry.json").write_bytes((told / "registry.json").read_bytes())
    try:
        trail = Registry(root).trail()
    except AuditError:
        return
    left = Registry(told).trail().records[: len(trail.records)]
    assert trail.records == left
    if len(left) == RECORDS:  # something behind the last record that was never completed
        assert trail.torn
        Registry(root).recover()
    else:
        with pytest.raises(AuditError, match=f"record {len(left) + 1} was dropped"):
            Registry(root).recover()


def test_a_torn_last_line_never_counted_and_is_written_over(told, lines, tmp_path):
    for torn in range(1, len(lines[5])):
        (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:torn])
        trail = audit.read(tmp_path / "audit.jsonl")
        assert (len(trail.records), trail.torn, trail.size) == (5, True, sum(map(len, lines[:5])))
    (tmp_path / "registry.json").write_bytes(to_bytes(Index()))
    with (tmp_path / "audit.jsonl").open("ab") as file:  # longer than what will be written over it
        file.write(b"x" * 5000)
    registry = Registry(tmp_path, actor="tester")
    assert registry.read().production == "1.0.0"
    registry.promote("1.1.0", "1.0.0", Change())
    trail = registry.trail()
    assert (len(trail.records), trail.torn) == (6, False)
    assert registry.index_problem() == ""


def test_a_last_line_of_which_a_block_never_reached_the_disk_never_counted(lines, tmp_path):
    """After a power failure a file may have its length and zeros where the end, or the middle, belongs."""
    (tmp_path / "registry.json").write_bytes(to_bytes(Index()))
    for start, end in ((0, len(lines[5]) - 1), (10, 200), (200, len(lines[5]))):
        torn = bytearray(lines[5])
        torn[start:end] = bytes(end - start)
        (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:5]) + torn)
        trail = audit.read(tmp_path / "audit.jsonl")
        assert (len(trail.records), trail.torn, trail.size) == (5, True, sum(map(len, lines[:5])))
        assert Registry(tmp_path).read().production == "1.0.0"
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:4]) + bytes(20) + b"\n" + lines[5])
    with pytest.raises(AuditError, match="record 5 was edited"):
        audit.read(tmp_path / "audit.jsonl")


def added(version: str, **entry: object) -> Record:
    plain = {**asdict(small_entry(version)), **entry}
    return Record(0, "2026-01-01T00:00:00+00:00", "tester", "add", version, entry=plain)


def moved(action: str, version: str, replaced: str | None = None) -> Record:
    return Record(0, "2026-01-01T00:00:00+00:00", "tester", action, version, replaced=replaced)


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (moved("promote", "9.0.0", "2.0.0"), "version 9.0.0 was never registered"),
        (moved("rollback", "2.0.0", "2.0.0"), "version 2.0.0 was not in production before"),
        (moved("promote", "1.0.0", "1.0.0"), "2.0.0 was in production, not 1.0.0"),
        (moved("promote", "1.0.0"), "2.0.0 was in production, not None"),
        (moved("delete", "1.0.0", "2.0.0"), "unknown action 'delete'"),
        (added("1.0.0"), "version 1.0.0 is registered twice"),
        (moved("add", "3.0.0"), "version 3.0.0 is registered twice or without an entry"),
        (added("3.0.0", status="production"), "a new version must be candidate or rejected, not production"),
        (added("3.0.0", message=7), "an entry must contain texts and metrics"),
        (added("3.0.0", metrics=[0.5]), "an entry must contain texts and metrics"),
        (added("3.0.0", metrics={"average_precision": "high"}), "a metric must be a number or missing"),
        (added("3.0.0", colour="red"), "unexpected keyword argument 'colour'"),
    ],
)
def test_a_trail_whose_digests_fit_and_whose_story_cannot_be_is_refused(tmp_path, last, problem):
    story = [added("1.0.0"), added("2.0.0"), moved("promote", "2.0.0")]
    (tmp_path / "audit.jsonl").write_bytes(chained(*story))
    (tmp_path / "registry.json").write_bytes(to_bytes(Index()))
    (tmp_path / "models").mkdir()
    registry = Registry(tmp_path)
    assert registry.read().production == "2.0.0"
    (tmp_path / "audit.jsonl").write_bytes(chained(*story, last))
    with pytest.raises(AuditError, match="record 4: ") as caught:
        registry.recover()
    assert problem in caught.value.message


def test_a_record_is_what_will_be_read_back_from_its_line():
    """A tuple, a number as a key, half a character: what JSON changes is changed before it is digested."""
    before = Trail()
    record = replace(
        moved("promote", "1.0.0"), reason="\ud83d", verdict={"limits": (1, 2), "ranks": {10: "ten", 9: None}}
    )
    sealed = audit.sealed(record, before)
    assert Record(**json.loads(audit.line(sealed))) == sealed
    assert sealed.reason == "?"
    assert sealed.verdict == {"limits": [1, 2], "ranks": {"10": "ten", "9": None}}


def test_a_record_with_fields_that_this_code_does_not_write_is_still_whole(tmp_path):
    """The digest is of what the line says, so that a field which is new here does not damage older trails."""
    body = {
        "sequence": 1, "at": "2026-01-01T00:00:00+00:00", "by": "tester", "action": "add", "version": "1.0.0",
        "entry": asdict(small_entry("1.0.0")), "previous": "",
    }  # fmt: skip
    line = json.dumps({**body, "hash": audit._digest(body)}, sort_keys=True, separators=(",", ":"))
    (tmp_path / "audit.jsonl").write_text(line + "\n")
    (record,) = audit.read(tmp_path / "audit.jsonl").records
    assert (record.version, record.forced, record.reason) == ("1.0.0", False, "")
    assert set(replayed([record]).versions) == {"1.0.0"}


def test_a_verdict_that_a_record_once_called_its_evidence_is_read_and_the_chain_goes_on(told, tmp_path):
    lines, before = [], ""
    for text in (told / "audit.jsonl").read_text().splitlines():
        body = json.loads(text) | {"previous": before}
        body["evidence"] = body.pop("verdict")
        before = body["hash"] = audit._digest(body)
        lines.append(json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    shutil.copytree(told, tmp_path, dirs_exist_ok=True)
    (tmp_path / "audit.jsonl").write_text("\n".join([*lines, ""]))
    (tmp_path / "registry.json").write_bytes(to_bytes(replayed(audit.read(tmp_path / "audit.jsonl").records)))
    registry = Registry(tmp_path)
    assert registry.trail().records[5].verdict == {"passed": False, "p": 0.25}
    promote(registry, "1.0.0")
    assert (tmp_path / "audit.jsonl").read_text().splitlines()[:6] == lines
    assert [len(registry.trail().records), registry.read().production] == [7, "1.0.0"]


T = datetime(2026, 3, 1, tzinfo=UTC)


def at(hours: float, action: str, version: str, replaced: str | None = None) -> Record:
    moment = (T + timedelta(hours=hours)).isoformat(timespec="milliseconds")
    return replace(moved(action, version, replaced), at=moment)


def hour(hours: float) -> str:
    return (T + timedelta(hours=hours)).isoformat(timespec="milliseconds")


STORY = [
    added("1.0.0"),
    at(1, "promote", "1.0.0"),
    added("1.1.0"),
    at(2, "promote", "1.1.0", "1.0.0"),
    at(5, "rollback", "1.0.0", "1.1.0"),
    at(6, "promote", "1.1.0", "1.0.0"),
]


def test_each_version_has_the_periods_in_which_it_was_live():
    assert stints(STORY) == {
        "1.0.0": [Stint(hour(1), hour(2)), Stint(hour(5), hour(6))],
        "1.1.0": [Stint(hour(2), hour(5)), Stint(hour(6), None)],
    }
    assert stints([]) == stints(STORY[:1]) == {}


@pytest.mark.parametrize(
    ("hours", "record"),
    [(0, None), (0.999, None), (1, 1), (1.5, 1), (2, 3), (4.999, 3), (5, 4), (6, 5), (99, 5)],
)
def test_what_was_live_at_a_moment_is_what_the_last_record_by_then_says(hours, record):
    assert live_at(STORY, T + timedelta(hours=hours)) is (None if record is None else STORY[record])


def test_of_records_stamped_by_a_clock_that_went_back_the_later_one_counts():
    story = [added("1.0.0"), at(5, "promote", "1.0.0"), added("1.1.0"), at(3, "promote", "1.1.0", "1.0.0")]
    assert live_at(story, T + timedelta(hours=2)) is None
    assert live_at(story, T + timedelta(hours=3)) is story[3]
    assert live_at(story, T + timedelta(hours=9)) is story[3]
    assert stints(story) == {"1.0.0": [Stint(hour(5), hour(3))], "1.1.0": [Stint(hour(3), None)]}


@given(
    hours=st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True).map(sorted),
    asked=st.integers(-1, 51),
)
def test_the_record_and_the_periods_agree_on_what_was_live(hours, asked):
    story = [at(hours, "promote", f"1.{n}.0") for n, hours in enumerate(hours)]
    moment = T + timedelta(hours=asked)
    live = live_at(story, moment)
    within = [
        version
        for version, times in stints(story).items()
        for one in times
        if one.since <= hour(asked) and (one.until is None or hour(asked) < one.until)
    ]
    assert within == ([] if live is None else [live.version])


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_the_ends_of_the_calendar_are_moments_like_others(text):
    assert live_at(STORY, parse_moment(text)) in (None, STORY[5])


def test_an_author_signs_every_record_with_name_or_user_and_host_and_leaves_its_place_open():
    entry = small_entry("1.0.0")
    added = Author("on call").added("adopt", entry, "why")
    assert replace(added, at="") == Record(
        0, "", "on call", "adopt", "1.0.0", entry=asdict(entry), reason="why"
    )
    moved = Author("on call").moved("promote", "1.1.0", "1.0.0", Change("why", True, {"a": 1}))
    assert replace(moved, at="") == Record(
        0, "", "on call", "promote", "1.1.0", "1.0.0", "why", True, {"a": 1}
    )
    accepted = Author().accepted("why")
    assert replace(accepted, at="", by="") == Record(0, "", "", "accept", "", reason="why")
    user, _, host = accepted.by.partition("@")
    assert host == socket.gethostname()
    try:
        assert user == getpass.getuser()
    except (KeyError, OSError):  # in a container users may have no names
        assert user == "unknown"
    for record in (added, moved, accepted):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", record.at)


def test_a_sealed_record_follows_the_last_one_of_the_trail():
    first = sealed(Record(0, "now", "me", "add", "1.0.0"), Trail())
    assert (first.sequence, first.previous, len(first.hash)) == (1, "", 64)
    trail = Trail((first,), 10)
    second = sealed(Record(0, "now", "me", "promote", "1.0.0"), trail)
    assert (second.sequence, second.previous, trail.head) == (2, first.hash, first.hash)
    assert Trail().head == ""


@pytest.mark.parametrize("error", [OSError, KeyError, ImportError])
def test_a_user_without_a_name_still_signs_with_the_host(monkeypatch, error):
    def nobody() -> str:
        raise error("no name")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert Author().accepted("why").by == f"unknown@{socket.gethostname()}"
