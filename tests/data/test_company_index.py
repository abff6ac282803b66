"""A company's position is found by its id, whether ids are numbers or other text."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ml_sys.data.company_index import CompanyIndex

NUMBERS = ["7", "0", "12", "3"]


def positions(ids: list[str], asked: list[str]) -> list[int]:
    return CompanyIndex(ids, frozenset()).positions(pa.array(asked, pa.string())).tolist()


@pytest.mark.parametrize("others", [[], ["one that is no number"]])
def test_every_id_has_its_own_position_and_an_unknown_one_has_none(others: list[str]) -> None:
    ids = [*NUMBERS, *others]
    assert positions(ids, ids) == list(range(len(ids)))
    assert positions(ids, ["12", "1", "12", "7"]) == [2, -1, 2, 0]


@pytest.mark.parametrize("beyond", ["13", "14", "999999999", "1000000000", "99999999999999999999"])
def test_an_id_beyond_the_largest_is_unknown(beyond: str) -> None:
    assert positions(NUMBERS, ["12", beyond]) == [2, -1]


@pytest.mark.parametrize("spelling", ["07", "+7", " 7", "7.0", "", "seven", "\uff17"])
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
