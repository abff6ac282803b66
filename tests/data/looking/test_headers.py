"""Whether the first line of a file names its columns."""

from __future__ import annotations

import pytest

from ml_sys.data.looking.headers import is_header, named_twice


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize(
    ("line", "is_it"),
    [
        (["user_id", "2023-01", "2023-02", "2023-03"], True),
        (["user_id", "202301", "202302", "202303", "total"], True),
        (["1001", "2023-01", "2023-02", "2023-03"], False),
        (["user_id", "2023-03", "2023-01", "2023-02"], False),
        (["user_id", "2023-13", "2023-14", "2023-15"], False),
        (["2023-01", "2023-02", "2023-03"], False),
    ],
)
def test_a_column_for_each_month_is_named_by_it(line: list[str], is_it: bool, says: bool) -> None:
    assert is_header(line, says=says, sure=False) is is_it


@pytest.mark.parametrize("line", [["anna", "2023-01", "2023-02"], ["anna", "2023-01", "2023-01", "2023-02"]])
def test_a_row_of_months_is_no_header(line: list[str]) -> None:
    assert not is_header(line, says=False, sure=False)


@pytest.mark.parametrize(
    ("line", "says", "sure", "is_it"),
    [
        (["", "id", "name"], False, False, True),  # an index, as pandas writes it
        (["", "1", "name"], False, False, False),
        ([""], False, False, False),
        (["id", "ID"], True, False, False),
        (["id", "ID"], True, True, True),
        (["id", "b@c.de"], False, False, False),
        (["id", "b.c", "rate %", "a/b-c (d) #1"], False, False, True),
        (["id", "2"], False, True, False),
        (["id", "-", "x!"], False, True, False),
        (["id", "x!"], False, True, True),
        (["id", None, "x"], False, False, False),
        ([" id ", "mail@x"], True, False, False),
    ],
)
def test_names_are_words_and_none_of_them_twice(
    line: list[str | None], says: bool, sure: bool, is_it: bool
) -> None:
    assert is_header(line, says=says, sure=sure) is is_it


def test_places_of_names_that_several_columns_have_are_told() -> None:
    assert named_twice(["Id", "name", " ID", "", None, "", "n", "NAME "]) == {0, 1, 2, 7}
    assert named_twice([]) == named_twice(["a", "b", "c"]) == frozenset()
