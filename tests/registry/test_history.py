"""What the trail says of production: what was live when, and on what evidence."""

from __future__ import annotations

import pytest

from ml_sys.errors import UsageError
from ml_sys.registry.history import parse_moment
from tests.registry.test_audit import T


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


@pytest.mark.parametrize(
    "text",
    ["", "now", "yesterday", "2026", "2026-13-01", "2026-02-30", "25:00", "2026-03-01T25:00", "0000-01-01"],
)
def test_what_is_no_time_is_refused_and_shown(text):
    with pytest.raises(UsageError, match="is not a valid time") as caught:
        parse_moment(text)
    assert repr(text) in caught.value.message
    assert "YYYY-MM-DD" in caught.value.hint
