"""The index follows from the trail: what a promotion and a rollback leave to go back to."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ml_sys.errors import ArtifactError
from ml_sys.registry.audit import Record
from ml_sys.registry.index import (
    Index,
    apply,
    earlier,
    from_bytes,
    latest,
    new_entry,
    replayed,
    resolved,
    to_bytes,
)
from ml_sys.text import rule_version
from tests.registry.versions import small_entry

A, B, C = "1.0.0", "1.1.0", "2.0.0"


def story(*moves: tuple[str, str]) -> Index:
    """Return the index after three versions were added, and promoted or rolled back to as said."""
    records = [
        Record(at, "", "", "add", version, entry=asdict(small_entry(version)))
        for at, version in enumerate((A, B, C), start=1)
    ]
    index = replayed(records)
    for action, version in moves:
        record = Record(index.sequence + 1, "", "", action, version, replaced=index.production)  # type: ignore[arg-type]
        index = apply(index, record)
    return index


def promoted(*versions: str) -> list[tuple[str, str]]:
    return [("promote", version) for version in versions]


@pytest.mark.parametrize(
    ("before", "to", "left"),
    [
        ((A, B, C), B, (A,)),
        ((A, B, C), A, ()),
        ((A, B, A, C), A, (A, B)),
        ((A, B, A, C), B, (A,)),
        ((A, C, A, C, B), C, (A, C, A)),
    ],
)
def test_a_rollback_goes_back_to_the_last_time_that_a_version_was_in_production(
    before: tuple[str, ...], to: str, left: tuple[str, ...]
) -> None:
    index = story(*promoted(*before), ("rollback", to))
    assert (index.production, index.replaced) == (to, left)


def test_the_version_that_leaves_production_is_archived_and_the_latest_to_go_back_to() -> None:
    index = story(*promoted(A, C, B))
    assert (index.production, index.replaced) == (B, (A, C))
    assert [index.versions[one].status for one in (A, B, C)] == ["archived", "production", "archived"]


def test_an_index_remembers_the_record_that_it_follows_from() -> None:
    index = story(*promoted(A))
    record = Record(9, "", "", "promote", B, replaced=A, hash="abc")
    found = apply(index, record)
    assert (found.sequence, found.head) == (9, "abc")
    accepted = apply(found, Record(10, "", "", "accept", "", hash="def"))
    assert accepted == replace(found, sequence=10, head="def")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(4, "", "", "add", A, entry=asdict(small_entry(A))), f"version {A} is registered twice or"),
        (Record(4, "", "", "add", "3.0.0"), "version 3.0.0 is registered twice or without an entry"),
        (Record(4, "", "", "promote", "3.0.0", replaced=A), "version 3.0.0 was never registered"),
        (Record(4, "", "", "promote", B, replaced=C), f"{A} was in production, not {C}"),
        (Record(4, "", "", "promote", B), f"{A} was in production, not None"),
        (Record(4, "", "", "rollback", B, replaced=A), f"version {B} was not in production before"),
        (Record(4, "", "", "burn", B, replaced=A), "unknown action 'burn'"),  # type: ignore[arg-type]
    ],
)
def test_a_record_that_cannot_follow_is_refused_with_its_number(record: Record, said: str) -> None:
    index = story(*promoted(A))
    with pytest.raises(ValueError, match=said):
        apply(index, record)
    adds = [
        Record(at, "", "", "add", version, entry=asdict(small_entry(version)))
        for at, version in enumerate((A, B, C), start=1)
    ]
    with pytest.raises(ValueError, match=r"record 5: unknown action 'burn'"):
        replayed([*adds, Record(4, "", "", "promote", A), Record(5, "", "", "burn", A, replaced=A)])  # type: ignore[arg-type]


def test_the_version_meant_by_default_is_that_in_production_or_the_highest() -> None:
    root = Path("there")
    ten = replace(story(), versions={**story().versions, "10.0.0": small_entry("10.0.0")})
    assert latest(ten) == "10.0.0"
    assert resolved(ten, None, root) == "10.0.0"
    assert resolved(story(*promoted(A)), None, root) == A
    assert resolved(story(*promoted(A)), B, root) == B
    with pytest.raises(ArtifactError, match=r"there: there is no version 1\.1\.1") as near:
        resolved(story(), "1.1.1", root)
    assert near.value.hint.endswith("See: mlsys models")
    assert near.value.hint.startswith("did you mean 1.")
    with pytest.raises(ArtifactError) as far:
        resolved(story(), "zzzzzz", root)
    assert far.value.hint == "See: mlsys models"
    with pytest.raises(ArtifactError, match="there: contains no model") as nothing:
        resolved(Index(), None, root)
    assert nothing.value.hint == "train one with mlsys train"


def test_a_rollback_goes_back_to_the_one_before_or_to_one_that_was_there() -> None:
    root, index = Path("there"), story(*promoted(A, C, A, B))
    assert earlier(index, None, root) == (B, A)
    assert earlier(index, C, root) == (B, C)
    with pytest.raises(ArtifactError, match=f"version {B} is in production already"):
        earlier(index, B, root)
    with pytest.raises(ArtifactError, match=r"there is no version 7\.0\.0"):
        earlier(index, "7.0.0", root)
    with pytest.raises(ArtifactError, match=f"version {B} was not in production before {A}") as never:
        earlier(story(*promoted(A, C, A)), B, root)
    assert never.value.hint == f"go back to one of {C}; or mlsys promote {B}"
    several = replace(story(), production="9.0.0", replaced=(A, C))
    assert earlier(several, None, root) == ("9.0.0", C)
    with pytest.raises(ArtifactError) as of_two:
        earlier(several, B, root)
    assert of_two.value.hint.startswith(f"go back to one of {C}, {A};")
    two = story(*promoted(A, C, A, C, A))
    assert two.replaced == (A, C, A, C)
    for nowhere in (story(), story(*promoted(A))):
        with pytest.raises(ArtifactError, match="there is no earlier production version to go back to"):
            earlier(nowhere, None, root)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"status": "production"}, ValueError),
        ({"status": "archived"}, ValueError),
        ({"message": 3}, TypeError),
        ({"snapshot": None}, TypeError),
        ({"metrics": []}, TypeError),
        ({"metrics": {"a": "1"}}, TypeError),
        ({"colour": "red"}, TypeError),
    ],
)
def test_an_entry_that_no_new_version_has_is_refused(changed: dict[str, Any], error: type[Exception]) -> None:
    good = asdict(small_entry(A))
    with pytest.raises(error):
        new_entry({**good, **changed})
    rejected = {**good, "status": "rejected", "metrics": {"a": None, "b": 1, "c": 0.5}}
    assert asdict(new_entry(rejected)) == rejected


def test_an_index_is_read_back_as_it_was_written_and_by_no_other_digest() -> None:
    index = replace(story(*promoted(A, B, C)), head="é")
    content = to_bytes(index)
    assert from_bytes(content) == index
    assert content.endswith(b"}\n")
    assert "é" in content.decode()
    edits = {
        '"sequence": 6': '"sequence": 7',
        '"head": "é"': '"head": "e"',
        f'"production": "{C}"': f'"production": "{A}"',
    }
    for old, new in edits.items():
        assert old in content.decode()
        assert from_bytes(content.decode().replace(old, new).encode()) is None
    for other in (b"", b"{}", b"[]", b"null", b'{"versions": 1}', content[:-3]):
        assert from_bytes(other) is None
    assert from_bytes(to_bytes(Index())) == Index()


RULE = rule_version("newest")


def test_a_rule_may_be_in_production_and_be_gone_back_to() -> None:
    index = story(*promoted(RULE, A, B))
    assert (index.production, index.replaced) == (B, (RULE, A))
    assert earlier(index, RULE, Path()) == (B, RULE)
    back = story(*promoted(RULE, A, B), ("rollback", RULE))
    assert (back.production, back.replaced) == (RULE, ())
    assert [back.versions[one].status for one in (A, B, C)] == ["archived", "archived", "candidate"]
    assert from_bytes(to_bytes(back)) == back
    assert resolved(back, None, Path()) == C  # what has no use for a rule takes the latest version
    with pytest.raises(ArtifactError, match='the rule "newest" is in production already'):
        earlier(story(*promoted(A, RULE)), RULE, Path())
