"""A snapshot is put together from its parts as if it had never been cut."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_sys.data import snapshot
from ml_sys.data.parts.whole import narrowest
from tests.data.tables import FREE_IDS, PAID_IDS, Tables, usage_row

IDS = [*PAID_IDS, *FREE_IDS, "stranger"]
DAYS = [f"2020-01-{day:02d}" for day in (6, 13, 20)] + ["2020-02-10", "soon"]
ROWS = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(DAYS), st.integers(0, 2)), max_size=12)


@settings(max_examples=4, deadline=None)
@given(rows=ROWS, n_parts=st.sampled_from([3, 16]))
def test_neither_the_number_of_parts_nor_the_order_of_rows_changes_what_is_there(
    rows: list[tuple[str, str, int]], n_parts: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        tables = Tables(Path(name))
        kept = tables.usage
        tables.usage = kept + [usage_row(who, day, (str(count),) * 8) for who, day, count in rows]
        one = tables.ingest(partitions=1)
        whole = snapshot.load(one.path)
        tables.usage.reverse()
        several = tables.ingest(artifacts_dir=Path(name) / "several", partitions=n_parts)
        found = snapshot.load(several.path)
        assert len(snapshot.parts(several.path)) == n_parts
    assert (several.id, several.tables, several.notes) == (one.id, one.tables, one.notes)
    assert found.companies.equals(whole.companies)
    for column in ("closed", "since", "usage_company", "usage_stamp", "usage_values"):
        np.testing.assert_array_equal(getattr(found, column), getattr(whole, column))


def test_counts_of_several_parts_are_held_in_as_few_bytes_as_hold_the_largest(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    few = snapshot.load(tables.ingest(partitions=3).path)
    assert few.usage_values.dtype == np.uint8
    tables.usage = [*tables.usage, *(usage_row(who, "2020-01-27", ("70000",) * 8) for who in FREE_IDS)]
    found = snapshot.load(tables.ingest(artifacts_dir=tmp_path / "more", partitions=3).path)
    assert found.usage_values.dtype == np.int32
    assert found.usage_values.max() == 70_000


@pytest.mark.parametrize(
    ("counts", "dtype"),
    [
        ([], np.uint8), ([0, 255], np.uint8), ([256], np.uint16), ([65_535], np.uint16), ([65_536], np.int32),
        ([-1, 5], np.int32), ([2**31 - 1], np.int32), ([2**31], np.int64), ([2**32 - 1], np.int64),
        ([-(2**31) - 1], np.int64),
    ],
)  # fmt: skip
def test_counts_of_four_bytes_or_more_have_a_sign(counts: list[int], dtype: type) -> None:
    assert narrowest(np.array(counts, np.int64)) == np.dtype(dtype)
