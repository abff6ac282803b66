"""Rows that are read in one pass over their bytes are what the readers of columns make of them."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_sys.data.checking.validate import check, check_part
from ml_sys.data.fields import fields_of
from ml_sys.data.reading.careful import Layout
from ml_sys.data.reading.delimited import LargePart
from ml_sys.data.reading.plain import are_plain
from ml_sys.data.reading.textfile import block_of
from ml_sys.settings import SchemaSettings

FIELDS = {
    name: field
    for name, field in fields_of(SchemaSettings(), "usage").items()
    if name in {"id", "at", "actions_crm_contacts", "users_email"}
}
KINDS = {name: field.plain for name, field in FIELDS.items()}
LAYOUT = Layout(",", 5, {"at": 0, "actions_crm_contacts": 1, "id": 3, "users_email": 4})
PLAIN = ["2020-02-29 13:05:59.120", "7", "whatever – it says", "Acme, no. 1", "012"]

MOMENTS = st.one_of(
    st.sampled_from(
        ["2020-02-29", "2019-02-29", "2100-01-01", "1970-01-01T00:00", "2020-04-31", "", "1.2.2020"]
    ),
    st.sampled_from(["2020-01-01 24:00", "2020-01-01 10:60", "2020-01-01 10:00:60", "2020-01-01T09:08:07Z"]),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds")),
    st.text("0123456789-: T.", max_size=24),
)
COUNTS = st.one_of(
    st.integers(0, 10**10).map(str),
    st.sampled_from(["", "-1", "1.0", "1e3", "+5", " 5", "000000012", "0000000012", "x"]),
)
NAMES = st.one_of(
    st.text("ab1 é\t", max_size=4), st.integers(0).map(str), st.sampled_from(["a b", '""', " ", "\x7f"])
)


def part_of(rows: list[list[str]], *, quoted: bool = False, end: str = "\n") -> LargePart:
    mark = '"' if quoted else ""
    lines = [",".join(f"{mark}{value}{mark}" for value in row) + end for row in rows]
    return LargePart(block_of("".join(lines).encode(), 2), LAYOUT)


def assert_alike(part: LargePart) -> None:
    one, other = asdict(check_part(part, FIELDS)), asdict(check(part(), FIELDS))
    for name in ("columns", "counts"):
        del one[name], other[name]
    np.testing.assert_equal(one, other)
    ours, theirs = check_part(part, FIELDS).columns, check(part(), FIELDS).columns
    assert ours["id"].to_pylist() == theirs["id"].to_pylist()
    for name in set(FIELDS) - {"id"}:
        assert ours[name].dtype == theirs[name].dtype
        np.testing.assert_array_equal(ours[name], theirs[name])


@given(
    rows=st.lists(st.tuples(MOMENTS, COUNTS, st.just("-"), NAMES, COUNTS).map(list), min_size=1, max_size=4),
    quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@example(rows=[PLAIN], quoted=True, end="\r\n")
@example(rows=[["2020-02-29", "1", "", "a", "999999999"]] * 3, quoted=False, end="\n")
def test_rows_read_in_one_pass_are_those_that_columns_are_read_to(rows, quoted, end):
    assert_alike(part_of(rows, quoted=quoted, end=end))


@pytest.mark.parametrize("moment", ["1970-01-01", "2099-12-31 23:59", "2020-02-29T23:59:59", PLAIN[0]])
@pytest.mark.parametrize("quoted", [True, False])
def test_plain_rows_are_read_in_one_pass(moment, quoted):
    rows = [[moment, "0", "", "a b", "1"], [moment, "123456789", "-", "7", "01"]]
    found = part_of(rows, quoted=quoted).plain(KINDS)
    assert found is not None
    assert found.names.to_pylist() == ["a b", "7"]
    assert found.counts.tolist() == [[0, 1], [123456789, 1]]
    assert found.moments.tolist() == [np.datetime64(moment, "us").astype(int)] * 2
    assert found.lines.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, "2019-02-29"),
        (0, "2020-01-01T00:00Z"),
        (1, ""),
        (1, "1234567890"),
        (1, "-1"),
        (3, " a"),
        (3, ""),
        (3, "é"),
    ],
)
def test_a_block_with_any_other_value_is_not_read_in_one_pass(at, value):
    odd = [*PLAIN]
    odd[at] = value
    part = part_of([PLAIN, odd, PLAIN], quoted=True)
    assert part.plain(KINDS) is None
    assert_alike(part)


@pytest.mark.parametrize("text", ["a", "2020-01-01,1,,a", "2020-01-01,1,,a,1,", "", '2020-01-01,1,",a,1'])
def test_a_block_with_a_line_that_is_no_row_is_not_read_in_one_pass(text):
    line = ",".join(["2020-01-01", "1", "", "a", "1"])
    assert LargePart(block_of(f"{line}\n{text}\n".encode(), 2), LAYOUT).plain(KINDS) is None


def test_only_a_name_a_moment_and_counts_are_read_in_one_pass():
    assert are_plain(KINDS)
    assert not are_plain({name: kind for name, kind in KINDS.items() if name != "id"})
    assert (
        LargePart(block_of(b"a,1\n", 2), Layout(",", 2, {"id": 0, "at": 0, "users_email": 1})).plain(
            {name: KINDS[name] for name in ("id", "at", "users_email")}
        )
        is None
    )
