"""A batch after validation: what costs a row, what is blanked, and what is a header that was repeated."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.checking import values
from ml_sys.data.checking.validate import HEADER, Checked, check
from ml_sys.data.fields import Field
from ml_sys.data.reading.rows import BadRow, RawRows

FIELDS = {
    "id": Field("Key", values.ids),
    "visits": Field("Visits", values.counts),
    "size": Field("Size", values.amounts, blanked=True),
}


def checked(*rows: tuple[str, str, str], bad: tuple[BadRow, ...] = ()) -> Checked:
    """Check rows of id, visits and size that stand in every second line, from 10 on."""
    texts = {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(FIELDS)}
    lines = np.arange(10, 10 + 2 * len(rows), 2)
    return check(RawRows(texts, lines, lambda at: ";".join(rows[at]), bad), FIELDS)


def test_a_row_is_listed_once_with_its_first_fault_by_the_user_s_name_of_the_column() -> None:
    found = checked(("a", "1", ""), ("b", "-1", "x"), ("", "x", "1"), ("c", "2", "y"), ("d", "3", "2.5"))
    assert found.bad == [
        BadRow(12, "Visits is negative", "b;-1;x"),
        BadRow(14, "Key is blank", ";x;1"),
    ]
    assert found.bad_ids == ["b"]
    assert found.blanked == {
        "Size is not a number": [16]
    }  # the value of a row that is gone was never blanked
    assert found.lines.tolist() == [10, 16, 18]
    assert found.columns["id"].to_pylist() == ["a", "c", "d"]
    assert found.columns["visits"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(found.columns["size"], [np.nan, np.nan, 2.5])


def test_rows_that_could_not_be_split_stay_bad_whether_others_are_or_not() -> None:
    torn = BadRow(11, "wrong number of fields", "a;b")
    assert checked(("a", "1", ""), bad=(torn,)).bad == [torn]
    assert [one.line for one in checked(("a", "x", ""), bad=(torn,)).bad] == [11, 10]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("Key", "Visits", "Size"), HEADER),
        (("Key", "Visits", "9"), "Visits is not a number"),
        (("Key", "1", "Size"), None),
        (("Key", "1", "2"), None),
    ],
)
def test_only_a_row_that_says_every_name_repeats_the_header(
    row: tuple[str, str, str], reason: str | None
) -> None:
    found = checked(("a", "1", ""), row)
    assert [one.reason for one in found.bad] == ([] if reason is None else [reason])
