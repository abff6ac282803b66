"""The index follows from the trail: what a promotion and a rollback leave to go back to."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from ml_sys.registry.audit import Record
from ml_sys.registry.index import Index, apply, replayed
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
