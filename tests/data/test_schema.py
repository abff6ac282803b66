"""Columns of a table: each that is asked for is there once, and the others are named."""

from __future__ import annotations

import pytest

from ml_sys.data.schema import lacking, matched_columns
from ml_sys.errors import MissingColumnError, RepeatedColumnError

ASKED = {"id": "Key", "at": "day", "size": "Size"}


def test_columns_are_matched_by_the_user_s_names_and_those_nobody_asked_for_are_extra() -> None:
    found, extra = matched_columns("t.csv", ["day", "id", "Key", "Size", "note", "id"], ASKED)
    assert found == ASKED
    assert extra == ("id", "note")


@pytest.mark.parametrize("times", [2, 3])
def test_a_column_that_is_asked_for_must_not_be_there_twice(times: int) -> None:
    with pytest.raises(RepeatedColumnError, match="day"):
        matched_columns("t.csv", ["Key", "Size", *["day"] * times], ASKED)


def test_only_a_field_that_may_lack_may_be_missing() -> None:
    found, _ = matched_columns("t.csv", ["Key", "day"], ASKED, {"size"})
    assert found == {"id": "Key", "at": "day"}
    assert lacking(ASKED, found) == {"size"}
    with pytest.raises(MissingColumnError, match="'day' is missing"):
        matched_columns("t.csv", ["Key", "Size"], ASKED, {"size"})


def test_the_nearest_column_is_one_of_those_that_are_there() -> None:
    with pytest.raises(MissingColumnError) as caught:
        matched_columns("t.csv", ["Key", "days", "Size"], ASKED)
    assert "'days'" in caught.value.hint


def test_what_is_asked_for_is_never_extra_and_nothing_else_is_lacking() -> None:
    found, extra = matched_columns("t.csv", ["day", "Key", "note"], ASKED, {"size"})
    assert extra == ("note",)
    assert lacking(ASKED, found | {"more": "note"}) == {"size"}
