"""A company's position is found by its id, whether ids are numbers or other text."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data import company_index
from ml_sys.data.company_index import CompanyIndex, GrowingIndex
from ml_sys.data.parts.buckets import buckets_of

NUMBERS = ["7", "0", "12", "3"]


def positions(ids: list[str], asked: list[str]) -> list[int]:
    return CompanyIndex(ids, frozenset()).positions(pa.array(asked, pa.string())).tolist()


@pytest.mark.parametrize("others", [[], ["one that is no number"]])
def test_every_id_has_its_own_position_and_an_unknown_one_has_none(others: list[str]) -> None:
    ids = [*NUMBERS, *others]
    assert positions(ids, ids) == list(range(len(ids)))
    assert positions(ids, ["12", "1", "12", "7"]) == [2, -1, 2, 0]


@pytest.mark.parametrize(
    "beyond", ["13", "14", "999999999", "1000000000", "9999999999", "99999999999999999999"]
)
def test_an_id_beyond_the_largest_is_unknown(beyond: str) -> None:
    assert positions(NUMBERS, ["12", beyond]) == [2, -1]


@pytest.mark.parametrize("spelling", ["07", "+7", " 7", "7.0", "", "seven", "\uff17", "7:", "/7", "7/"])
def test_an_id_is_known_by_its_spelling_and_not_by_its_number(spelling: str) -> None:
    assert positions(NUMBERS, ["7", spelling]) == [0, -1]


def test_the_ids_of_a_part_of_a_column_are_those_of_the_part() -> None:
    column = pa.array(["9", "07", "12", "7", "0"], pa.string())
    index = CompanyIndex(NUMBERS, frozenset())
    for start in range(len(column)):
        part = column.slice(start)
        assert index.positions(part).tolist() == positions(NUMBERS, part.to_pylist())
    assert index.positions(column.slice(1, 1)).tolist() == [-1]
    sliced = CompanyIndex(pa.array(["x", "05", "5", "8"], pa.string()).slice(1), frozenset())
    assert sliced.positions(pa.array(["5", "05", "8"])).tolist() == [1, 0, 2]


def test_a_few_ids_of_large_numbers_take_little_memory() -> None:
    tracemalloc.start()
    try:
        assert positions(["1", "60000000"], ["60000000", "2", "1"]) == [1, -1, 0]
        assert tracemalloc.get_traced_memory()[1] < 1e7
    finally:
        tracemalloc.stop()


def test_companies_known_by_their_usage_have_positions_as_they_turn_up_and_then_by_id() -> None:
    growing = GrowingIndex(frozenset({"lost"}))
    assert growing.positions(pa.array(["m", "lost", "b"])).tolist() == [0, -1, 1]
    assert growing.positions(pa.array(["z", "b", "lost", "a", "z"])).tolist() == [2, 1, -1, 3, 2]
    index, moved = growing.settled()
    assert index.ids.to_pylist() == ["a", "b", "m", "z"]
    assert moved.tolist() == [2, 1, 3, 0]  # of m, b, z and a
    assert index.lost == {"lost"}
    assert index.positions(pa.array(["lost", "m"])).tolist() == [-1, 2]


def test_the_buckets_of_companies_that_turn_up_are_those_of_their_ids_at_any_time() -> None:
    growing = GrowingIndex(frozenset())
    for ids in (["b", "a"], ["a", "c"]):
        found = growing.positions(pa.array(ids))
        assert growing.buckets_at(found).tolist() == buckets_of(pa.array(ids)).tolist()
    index, _ = growing.settled()
    assert index.buckets.tolist() == buckets_of(pa.array(["a", "b", "c"])).tolist()
    assert index.buckets_at(np.array([2, 0], np.int32)).tolist() == index.buckets[[2, 0]].tolist()


def names(numbers: range) -> list[str]:
    return [f"{number * 2_654_435_761 % 2**32:x}-{number}" for number in numbers]


def hashed_alike(ids: pa.StringArray) -> np.ndarray:
    """Return one of three hashes, in whose lowest and highest bits all are alike."""
    return np.array([len(name) % 3 for name in ids.to_pylist()], np.uint64) << np.uint64(20)


@pytest.mark.parametrize("alike", [False, True])
def test_ids_of_any_text_are_found_whatever_their_hashes(
    alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if alike:
        monkeypatch.setattr(company_index, "hashes_of", hashed_alike)
    known, strange = names(range(300)), names(range(1000, 1100))
    assert positions(known, [*reversed(known), *strange]) == [*reversed(range(300)), *[-1] * 100]


def test_ids_that_are_entered_block_by_block_are_those_of_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company_index, "_ENTERED", 7)
    known = names(range(100))
    assert positions(known, known) == list(range(100))


def test_numbers_are_looked_up_among_other_texts_and_from_the_least_on() -> None:
    known = [str(number) for number in range(500_000_000, 500_000_050)]
    asked = ["500000049", "0500000049", "499999999", "500000050", "0", "x", "500000000"]
    assert positions(known, asked) == [49, -1, -1, -1, -1, -1, 0]
    assert positions(known, [one for one in asked if one.isdigit()]) == [49, -1, -1, -1, -1, 0]


def test_positions_stay_when_new_companies_have_become_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company_index, "_FEW_NEW", 3)
    growing, every = GrowingIndex(frozenset({"lost"})), ["b", *names(range(50)), "a"]
    buckets = buckets_of(pa.array(every)).tolist()
    for n in range(len(every)):
        assert growing.positions(pa.array(["lost", *every[: n + 1]])).tolist() == [-1, *range(n + 1)]
        if n % 3:  # some are asked for long after they came
            assert growing.buckets_at(np.arange(n + 1)).tolist() == buckets[: n + 1]
    index, moved = growing.settled()
    assert index.ids.to_pylist() == sorted(every)
    assert index.positions(pa.array(every)).tolist() == moved.tolist()
