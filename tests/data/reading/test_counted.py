"""Counts that are read as numbers are those that reading their texts gives."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_sys.data.checking.validate import check, check_part
from ml_sys.data.fields import fields_of
from ml_sys.data.reading.careful import Layout
from ml_sys.data.reading.delimited import TextPart
from ml_sys.data.reading.textfile import block_of
from ml_sys.settings import SchemaSettings

FIELDS = {
    name: field
    for name, field in fields_of(SchemaSettings(), "usage").items()
    if name in {"id", "at", "actions_crm_contacts", "users_email"}
}
COUNTS = {"actions_crm_contacts", "users_email"}
LAYOUT = Layout(",", 5, {"at": 0, "actions_crm_contacts": 1, "id": 3, "users_email": 4})
GOOD = ["2020-02-29 13:05:59.120", "7", "whatever – it says", "Acme, no. 1", "012"]

NUMBERS = st.one_of(
    st.integers(0, 2**31).map(str),
    st.text("0123456789+-.,eEx_ \t\u00a0", max_size=6),
    st.sampled_from(["", "-0", "0x1F", "0X1f", "2147483647", "2147483648", "NULL", "nan", "inf", "x"]),
)


def part_of(rows: list[list[str]], *, quoted: bool = False, end: str = "\n") -> TextPart:
    mark = '"' if quoted else ""
    lines = [",".join(f"{mark}{value}{mark}" for value in row) + end for row in rows]
    return TextPart(block_of("".join(lines).encode(), 2), LAYOUT)


def assert_alike(part: TextPart) -> None:
    ours, theirs = asdict(check_part(part, FIELDS)), asdict(check(part(), FIELDS))
    one, other = ours.pop("columns"), theirs.pop("columns")
    np.testing.assert_equal(ours, theirs)
    assert one["id"].to_pylist() == other["id"].to_pylist()
    for name in set(FIELDS) - {"id"}:
        assert one[name].dtype == other[name].dtype
        np.testing.assert_array_equal(one[name], other[name])


@given(
    rows=st.lists(
        st.tuples(st.just("2020-02-29"), NUMBERS, st.just("-"), st.sampled_from(["a", "", "é"]), NUMBERS).map(
            list
        ),
        min_size=1,
        max_size=4,
    ),
    quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@example(rows=[GOOD], quoted=True, end="\r\n")
def test_counts_are_the_same_whether_they_are_read_as_numbers_or_from_their_texts(rows, quoted, end):
    assert_alike(part_of(rows, quoted=quoted, end=end))


@pytest.mark.parametrize("quoted", [True, False])
def test_columns_of_whole_numbers_do_not_go_through_texts(quoted):
    rows = [["2020-02-29", "0", "", "a b", "1"], ["2020-03-02", "2147483647", "-", "7", " 01"]]
    found = part_of(rows, quoted=quoted).counted(COUNTS)
    assert set(found.texts) == {"id", "at"}
    assert {name: one.tolist() for name, one in found.counts.items()} == {
        "actions_crm_contacts": [0, 2147483647],
        "users_email": [1, 1],
    }
    assert found.lines.tolist() == [2, 3]


@pytest.mark.parametrize("value", ["", "-1", "12.0", "2147483648", "0x1F", "x", "NULL"])
def test_a_block_with_any_other_value_is_read_as_texts(value):
    odd = [*GOOD]
    odd[1] = value
    part = part_of([GOOD, odd, GOOD], quoted=True)
    found = part.counted(COUNTS)
    assert not found.counts
    assert found.texts["actions_crm_contacts"].to_pylist() == ["7", value, "7"]
    assert_alike(part_of([GOOD, odd, GOOD], quoted=True))


def test_what_follows_such_a_block_is_read_as_texts_at_once():
    odd = [*GOOD]
    odd[1] = ""
    first = part_of([odd], quoted=True)
    next_one = TextPart(part_of([GOOD], quoted=True).block, LAYOUT, first.so_far)
    assert next_one.counted(COUNTS).counts
    first.counted(COUNTS)
    assert not next_one.counted(COUNTS).counts


def test_a_column_that_is_also_read_as_texts_stays_one():
    layout = Layout(",", 2, {"id": 0, "at": 1, "users_email": 1})
    part = TextPart(block_of(b"a,1\n", 2), layout)
    found = part.counted({"users_email"})
    assert not found.counts
    assert found.texts["users_email"].to_pylist() == ["1"]


def test_a_repeated_header_is_told_though_its_names_are_numbers():
    fields = {"id": FIELDS["id"], "users_email": FIELDS["users_email"]}
    numbered = {name: type(one)("12" if one.is_count else "id", one.read) for name, one in fields.items()}
    part = TextPart(block_of(b"a,3\nid,12\n", 2), Layout(",", 2, {"id": 0, "users_email": 1}))
    assert [(bad.line, bad.reason) for bad in check_part(part, numbered).bad] == [(3, "repeats the header")]


def test_some_rows_of_a_batch_have_their_counts():
    rows = part_of([GOOD, ["2020-02-29", "8", "", "b", "9"], GOOD], quoted=True).counted(COUNTS)
    assert [one.counts["users_email"].tolist() for one in rows.pieces(2)] == [[12, 9], [12]]
