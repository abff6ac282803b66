"""Rows in files say what rows in memory say, and go with what refers to them."""

from __future__ import annotations

import gc
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.rows import Rows
from ml_sys.features.stored import rows as stored
from ml_sys.features.stored.rows import StoredDifferent, StoredPile
from tests.features.test_rows import frames


@given(parts=st.lists(frames(), min_size=1, max_size=4), at_once=st.sampled_from([0, 10, 10**6]))
def test_rows_that_were_written_in_pieces_are_those_that_were_added(
    parts: list[pd.DataFrame], at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "_AT_ONCE", at_once)
        pile = StoredPile(None)
        for frame in parts:
            pile.add(Rows.merged(frame))
        different, numbers = pile.united([])
    every = pd.concat(parts, ignore_index=True)
    rows = Rows(different, np.concatenate(numbers))
    together = Rows.merged(every)
    pd.testing.assert_frame_equal(rows.frame(), together.frame(), check_exact=True, check_dtype=False)
    np.testing.assert_array_equal(rows.column("number"), every["number"].to_numpy())
    np.testing.assert_array_equal(rows.digests(), together.digests())
    exact = together.different.exact_digests()[together.which]
    np.testing.assert_array_equal(different.exact_digests()[rows.which], exact)
    assert not rows.in_memory().different.is_stored
    pd.testing.assert_frame_equal(rows.in_memory().frame(), rows.frame())


def test_rows_are_added_to_those_that_are_known_and_these_stay_as_they_are() -> None:
    first, more = (pd.DataFrame({"number": np.array(n, np.float32), "text": t}) for n, t in (
        ([1, 2], np.array(["a", None], object)), ([3, 1], np.array(["b", "a"], object))
    ))  # fmt: skip
    pile = StoredPile(None)
    pile.add(Rows.merged(first))
    known, (numbers,) = pile.united([])
    pile = StoredPile(known)
    pile.add(Rows.merged(more))
    every, (others,) = pile.united([known])
    assert (len(known), len(every)) == (2, 3)
    assert Rows(every, others).frame()["text"].tolist() == ["b", "a"]
    assert Rows(known, numbers).frame()["text"].fillna("blank").tolist() == ["a", "blank"]
    assert Rows(every, numbers).frame()["number"].tolist() == [1, 2]


@pytest.fixture(scope="module")
def counted() -> StoredDifferent:
    """Rows that say which they are."""
    numbers = pd.DataFrame({"number": np.arange(10_001, dtype=np.float32)})
    found = StoredDifferent(numbers)
    found.add(Rows.of(numbers).different)
    return found


@given(wanted=st.lists(st.integers(0, 10_000), max_size=30), gap=st.sampled_from([1, 50, 5000]))
def test_rows_far_from_each_other_are_read_in_runs_and_come_in_the_order_asked_for(
    counted: StoredDifferent, wanted: list[int], gap: int
) -> None:
    at = np.array(wanted, dtype=np.intp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "_GAP", gap)
        assert counted.taken(at)["number"].tolist() == wanted


def added(known: StoredDifferent | None, *numbers: float) -> tuple[StoredDifferent, list[int]]:
    """Return rows with these besides the known ones, and the numbers of these."""
    pile = StoredPile(known)
    pile.add(Rows.merged(pd.DataFrame({"number": np.array(numbers, np.float32)})))
    different, (number,) = pile.united([])
    assert isinstance(different, StoredDifferent)
    return different, number.tolist()


def test_rows_are_taken_from_the_files_of_those_that_are_known_and_of_those_added() -> None:
    every, _ = added(None, 1, 2, 3)
    for more in ((4, 5, 6, 7), (8, 9)):
        every, _ = added(every, *more)
    numbers = every.column("number")
    for some in ([8, 4], [0, 3, 2], [5], [1, 6, 7]):
        assert every.taken(np.array(some))["number"].tolist() == numbers[some].tolist()
    assert sorted(numbers.tolist()) == list(range(1, 10))


@pytest.mark.parametrize(("zero", "one_array"), [(0.0, True), (-0.0, False)])
def test_digests_are_kept_twice_only_where_a_zero_lies_below_zero(zero: float, one_array: bool) -> None:
    pile = StoredPile(None)
    for number in (1.0, zero):
        pile.add(Rows.merged(pd.DataFrame({"number": np.array([number], np.float32)})))
    different, _ = pile.united([])
    assert (different.exact_digests() is different.digests()) == one_array


def test_zeros_below_and_above_share_a_digest_and_not_the_exact_one() -> None:
    frame = pd.DataFrame(
        {"number": np.array([0.0, -0.0], dtype=np.float32), "other": np.zeros(2, np.float32)}
    )
    different = Rows.of(frame).different
    assert np.unique(different.digests()).size == 1
    assert np.unique(different.exact_digests()).size == 2


def test_a_row_that_only_shares_its_digest_with_a_known_one_is_another() -> None:
    known, first = added(None, 0.0)
    both, number = added(known, -0.0, 0.0)
    assert (first, sorted(number)) == ([0], [0, 1])
    assert np.signbit(both.column("number")).tolist() == [False, True]


def test_files_go_with_the_last_that_refers_to_them_and_not_with_a_copy_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    one = StoredDifferent(pd.DataFrame({"number": np.empty(0, np.float32)}))
    one.add(Rows.of(pd.DataFrame({"number": np.ones(3, np.float32)})).different)
    sent = pickle.loads(pickle.dumps(one))  # noqa: S301 - what this test wrote
    assert sent.column("number").tolist() == [1, 1, 1]
    del sent
    gc.collect()
    assert any(tmp_path.iterdir())
    del one
    gc.collect()
    assert not any(tmp_path.iterdir())
