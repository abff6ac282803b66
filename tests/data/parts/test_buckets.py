"""Which part a company is in: its id tells, and nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data.parts.buckets import (
    BUCKETS,
    ROWS_OF_ONE_PART,
    ROWS_PER_PART,
    Cut,
    buckets_of,
    first_bucket,
    part_of,
    parts_for,
)

EVERY = np.arange(BUCKETS, dtype=np.uint16)


def test_the_bucket_of_an_id_stays_what_it_was_in_every_version_and_on_every_machine() -> None:
    ids = pa.array(["a", "b", "100000", "abcdefgh", "abcdefghi", "ü", "x" * 100, "a\0", ""])
    assert buckets_of(ids).tolist() == [268, 430, 301, 908, 537, 894, 849, 644, 0]


@given(ids=st.lists(st.text(max_size=20), min_size=1, max_size=8))
def test_the_bucket_of_an_id_depends_on_no_other_id(ids: list[str]) -> None:
    together = buckets_of(pa.array(ids, pa.string()))
    alone = [int(buckets_of(pa.array([name], pa.string()))[0]) for name in ids]
    assert together.tolist() == alone
    assert buckets_of(pa.array(["before", *ids, "behind"]).slice(1, len(ids))).tolist() == alone


@pytest.mark.parametrize("written", ["{}", "2f9c1a{:06d}-0000-4000-8000-000000000000", "{:012d}"])
def test_buckets_are_of_about_equal_size_whatever_ids_look_like(written: str) -> None:
    sizes = np.bincount(buckets_of(pa.array([written.format(n) for n in range(20_000)])), minlength=BUCKETS)
    assert sizes.min() > 0
    assert sizes.max() < 3 * sizes.mean()


@pytest.mark.parametrize("n_parts", [1, 3, 16, 1000, BUCKETS])
def test_a_part_is_the_buckets_from_its_first_one_to_the_first_of_the_next(n_parts: int) -> None:
    parts = part_of(EVERY, n_parts)
    assert np.bincount(parts, minlength=n_parts).min() > 0
    for part in range(n_parts):
        low, high = first_bucket(part, n_parts), first_bucket(part + 1, n_parts)
        assert np.flatnonzero(parts == part).tolist() == list(range(low, high))


def test_there_are_more_parts_where_there_is_more_usage() -> None:
    counts = [0, 1, ROWS_OF_ONE_PART, ROWS_OF_ONE_PART + 1, 10 * ROWS_PER_PART, 10**12]
    assert [parts_for(n) for n in counts] == [1, 1, 1, 3, 10, BUCKETS]


def test_companies_are_numbered_within_their_part_in_the_order_of_the_whole() -> None:
    cut = Cut.of(np.array([1023, 0, 600, 5, 1000], np.uint16), 2)
    assert cut.part.tolist() == [1, 0, 1, 0, 1]
    assert cut.local.tolist() == [0, 0, 1, 1, 2]
    assert [cut.members(part).tolist() for part in (0, 1)] == [[1, 3], [0, 2, 4]]
