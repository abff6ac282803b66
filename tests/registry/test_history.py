"""What the trail says of production: what was live when, and what the gate said."""

from __future__ import annotations

import time

import pytest

from ml_sys.errors import UsageError
from ml_sys.registry.audit import Record
from ml_sys.registry.history import Catalogue, Live, Stint, catalogue, live_at, parse_moment, stints
from tests.registry.test_audit import T
from tests.registry.versions import promote, registry_with, rollback


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", T),
        ("2026-03-01T00:00", T),
        ("2026-03-01 00:00:00", T),
        ("2026-03-01T00:00:00Z", T),
        ("2026-03-01T02:00+02:00", T),
        ("2026-02-28T20:00:00.000-04:00", T),
    ],
)
def test_a_date_or_a_time_is_utc_unless_it_says_otherwise(text, moment):
    assert parse_moment(text) == moment
    assert parse_moment(text).tzinfo is not None


def test_a_time_without_a_zone_is_utc_wherever_it_is_asked(monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = parse_moment("2026-03-01T00:00")
    time.tzset()
    assert found == T


@pytest.mark.parametrize(
    "text",
    ["", "now", "yesterday", "2026", "2026-13-01", "2026-02-30", "25:00", "2026-03-01T25:00", "0000-01-01"],
)
def test_what_is_no_time_is_refused_and_shown(text):
    with pytest.raises(UsageError, match="is not a valid time") as caught:
        parse_moment(text)
    assert repr(text) in caught.value.message
    assert "YYYY-MM-DD" in caught.value.hint


def moved(version: str, at: str, action: str = "promote") -> Record:
    return Record(1, at, "somebody", action, version)


STORY = (
    moved("1.0.0", "2026-01-01T00:00:00+00:00", "add"),
    moved("1.0.0", "2026-01-02T00:00:00+00:00"),
    moved("1.1.0", "2026-01-03T00:00:00+00:00"),
    moved("2.0.0", "2026-01-03T12:00:00+00:00", "adopt"),
    moved("1.0.0", "2026-01-04T00:00:00+00:00", "rollback"),
    moved("", "2026-01-05T00:00:00+00:00", "accept"),
)


def test_a_version_is_live_from_its_record_on_up_to_the_next_and_only_promotions_and_rollbacks_count():
    assert stints(STORY) == {
        "1.0.0": [Stint(STORY[1].at, STORY[2].at), Stint(STORY[4].at, None)],
        "1.1.0": [Stint(STORY[2].at, STORY[4].at)],
    }
    assert stints(STORY[:1]) == {}
    for text, live in (
        ("2026-01-01T23:59:59.999", None),
        ("2026-01-02", STORY[1]),
        ("2026-01-03", STORY[2]),
        ("2026-01-03T12:00", STORY[2]),
        ("2026-01-05", STORY[4]),
    ):
        assert live_at(STORY, parse_moment(text)) == live


def test_order_is_that_of_the_records_whatever_the_clock_did():
    late, early = moved("1.0.0", "2026-01-05T00:00:00+00:00"), moved("1.1.0", "2026-01-03T00:00:00+00:00")
    assert live_at((late, early), parse_moment("2026-01-09")) is early
    assert live_at((late, early), parse_moment("2026-01-02")) is None


def test_what_was_live_is_told_as_plain_data():
    at = parse_moment("2026-01-03")
    assert Live(at, STORY[2]).to_plain() == {
        "at": "2026-01-03T00:00:00+00:00", "production": "1.1.0", "record": STORY[2],
    }  # fmt: skip
    assert Live(at, None).to_plain() == {"at": at.isoformat(), "production": None, "record": None}


def test_the_catalogue_has_a_row_for_each_version_and_says_when_it_served(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    promote(registry, "1.1.0")
    rollback(registry)
    found = catalogue(registry)
    assert isinstance(found, Catalogue)
    plain = found.to_plain()
    assert plain["production"] == "1.0.0"
    assert [one["version"] for one in plain["versions"]] == ["1.0.0", "1.1.0"]
    assert [len(one["served"]) for one in plain["versions"]] == [2, 1]
    assert plain["versions"][0]["served"][-1].until is None
    table = found.table
    assert table.index.tolist() == ["1.0.0", "1.1.0"]
    assert table.index.name == "version"
    assert set(table.columns) == {
        "status", "created_at", "changes", "snapshot", "data_through", "message", "average_precision",
    }  # fmt: skip
    assert table["status"].tolist() == ["production", "archived"]
    assert table["average_precision"].tolist() == [0.1, 0.1]
    assert table["created_at"].iloc[0].year == 2026
    unused = catalogue(registry_with(tmp_path / "other", "1.0.0")).to_plain()
    assert (unused["production"], unused["versions"][0]["served"]) == (None, ())
