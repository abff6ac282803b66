"""Equal rows are kept once, and nothing but time and memory tells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.rows import Different, Rows

numbers = st.sampled_from([0.0, -0.0, 1.0, 2.5, float("nan")])
texts = st.sampled_from(["farming", "fishing", None])


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(0, 30))
    return pd.DataFrame(
        {
            "number": np.array(draw(st.lists(numbers, min_size=n, max_size=n)), dtype=np.float32),
            "text": np.array(draw(st.lists(texts, min_size=n, max_size=n)), dtype=object),
        }
    )


@given(frame=frames(), seed=st.integers(0, 2**32 - 1))
def test_merged_rows_say_what_the_frame_says(frame: pd.DataFrame, seed: int) -> None:
    rows = Rows.merged(frame)
    taken = np.random.default_rng(seed).integers(0, max(len(frame), 1), 2 * len(frame))
    wanted = frame.take(taken).reset_index(drop=True)
    got = rows.take(taken)
    pd.testing.assert_frame_equal(got.frame(), wanted, check_exact=True)
    np.testing.assert_array_equal(got.column("number"), wanted["number"].to_numpy())
    np.testing.assert_array_equal(
        got.digests(), pd.util.hash_pandas_object(wanted, index=False).to_numpy(dtype=np.uint64)
    )
    assert got.times().sum() == len(wanted)


@given(frame=frames())
def test_no_two_different_rows_are_equal_and_they_keep_the_order_of_their_first(frame: pd.DataFrame) -> None:
    frame = frame.assign(number=frame["number"] + np.float32(0))  # zeros of either sign share a digest
    rows = Rows.merged(frame)
    told = [(np.float32(a).tobytes(), b) for a, b in zip(frame["number"], frame["text"], strict=True)]
    assert len(rows.different) == len(set(told))
    _, first = np.unique(rows.which, return_index=True)
    assert (np.diff(first) > 0).all()


def test_rows_of_one_digest_that_differ_stand_for_themselves(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    frame = pd.DataFrame({"number": np.array([1, 2, 1, 3, 2], dtype=np.float32)})
    alike = pd.Series(np.zeros(5, dtype=np.uint64))
    monkeypatch.setattr(pd.util, "hash_pandas_object", lambda *_, **__: alike)
    rows = Rows.merged(frame)
    np.testing.assert_array_equal(rows.frame()["number"], frame["number"])


@given(frame=frames(), seed=st.integers(0, 2**32 - 1))
def test_each_different_row_is_there_once_and_leads_back_to_all(frame: pd.DataFrame, seed: int) -> None:
    rows = Rows.merged(frame)
    chosen = rows.take(np.random.default_rng(seed).integers(0, max(len(frame), 1), len(frame) // 2))
    once, place = chosen.once()
    assert np.unique(once.which).size == len(once)
    np.testing.assert_array_equal(once.which[place], chosen.which)


def test_a_blank_text_of_one_digest_with_another_stands_for_itself() -> None:
    frame = pd.DataFrame({"text": np.array(["a", None, "a", None, "b"], dtype=object)})
    rows = Rows.merged(frame, np.zeros(5, dtype=np.uint64))
    assert pd.Series(rows.column("text")).fillna("blank").tolist() == ["a", "blank", "a", "blank", "b"]
    assert rows.which[0] == rows.which[2]


# Rows that stand for others

LETTERS = Rows.merged(pd.DataFrame({"letter": np.array(list("abcab"), dtype=object)}))


def weighted(*weight: float) -> Rows:
    return Rows(LETTERS.different, LETTERS.which, np.array(weight))


def test_rows_that_stand_for_others_count_as_often_and_keep_their_weight_when_some_are_taken() -> None:
    rows = weighted(1, 2.5, 4, 8, 0.3)
    assert rows.times().tolist() == [9, 2.8, 4]
    assert rows.standing_for() == 16  # 15.8 of them
    some = rows.take(np.array([4, 0, 3]))
    assert some.weight is not None
    assert some.weight.tolist() == [0.3, 1, 8]
    assert some.times().tolist() == [9, 0.3, 0]  # the third is not among them any more
    assert LETTERS.times().tolist() == [2, 2, 1]
    assert LETTERS.take(np.array([0, 0])).times().tolist() == [2, 0, 0]
    assert LETTERS.standing_for() == 5


def test_rows_of_which_each_different_one_is_there_are_brought_to_one_each() -> None:
    once, place = LETTERS.once()
    assert (once.which.tolist(), place.tolist()) == ([0, 1, 2], [0, 1, 2, 0, 1])
    assert once.weight is None
    once, place = LETTERS.take(np.array([2, 1, 2])).once()
    assert (once.which.tolist(), place.tolist()) == ([1, 2], [1, 0, 1])


# Levels of a column


@given(values=st.lists(st.sampled_from([2.5, 1.0, 0.0, -1.0, float("nan")]), min_size=1, max_size=30))
def test_levels_of_numbers_ascend_with_blanks_last_and_lead_back_to_every_row(values: list[float]) -> None:
    different = Different(pd.DataFrame({"x": np.array(values, dtype=np.float32)}))
    found = different.numbers("x")
    np.testing.assert_array_equal(found.known[found.code], np.array(values))
    np.testing.assert_array_equal(found.known, np.unique(values))
    texts = different.texts("x")
    assert [str(one) for one in texts.known[texts.code]] == [str(one) for one in values]
    assert different.numbers("x") is found


@pytest.mark.parametrize("n", [256, 257, 300])
def test_levels_are_told_apart_however_many_there_are(n: int) -> None:
    words = np.array([f"w{at}" for at in range(n)], dtype=object)
    different = Different(pd.DataFrame({"word": words, "x": np.arange(n, dtype=np.float32)[::-1]}))
    assert different.texts("word").known[different.texts("word").code].tolist() == words.tolist()
    assert different.numbers("x").code.tolist() == list(range(n - 1, -1, -1))


def test_numbers_that_differ_in_their_last_bit_are_levels_of_their_own() -> None:
    near = np.array([1.0, np.nextafter(1.0, 2.0)])
    assert Different(pd.DataFrame({"x": near})).numbers("x").known.tolist() == near.tolist()


def test_any_column_tells_rows_of_one_digest_apart() -> None:
    zeros, ones = np.array([0.0, -0.0, 0.0], dtype=np.float32), np.ones(3, dtype=np.float32)
    for frame in (pd.DataFrame({"a": zeros, "b": ones}), pd.DataFrame({"a": ones, "b": zeros})):
        rows = Rows.merged(frame)
        assert rows.which.tolist() == [0, 1, 0]
        np.testing.assert_array_equal(np.signbit(rows.frame()), np.signbit(frame))


@given(frame=frames(), seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_rows_alone_and_rows_in_blocks_say_what_they_said(frame: pd.DataFrame, seed: int, size: int) -> None:
    rows = Rows.merged(frame)
    rows = rows.take(np.random.default_rng(seed).integers(0, max(len(frame), 1), len(frame) // 3))
    alone = rows.alone()
    assert len(alone.different) <= max(2 * len(rows), len(np.unique(rows.which)))
    np.testing.assert_array_equal(alone.digests(), rows.digests())
    pd.testing.assert_frame_equal(alone.frame(), rows.frame())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ml_sys.features.rows.BLOCK_ROWS", size)
        blocks = list(rows.blocks())
    assert len(rows) <= size or all(len(one.different) <= size for one in blocks)
    together = pd.concat([one.frame() for one in blocks], ignore_index=True)
    pd.testing.assert_frame_equal(together, rows.frame())
