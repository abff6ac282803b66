"""Whether the first line of a file names its columns."""

from __future__ import annotations

import pytest

from ml_sys.data.looking.headers import is_header


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
