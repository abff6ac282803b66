from __future__ import annotations

import pytest

from ml_sys.wording import counted


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2, ("row",), "2 rows"),
        (1234567, ("row",), "1,234,567 rows"),
        (1, ("company", "companies"), "1 company"),
        (3, ("company", "companies"), "3 companies"),
        (1, ("row is left out", "rows are left out"), "1 row is left out"),
        (11, ("row is left out", "rows are left out"), "11 rows are left out"),
    ],
)
def test_a_noun_agrees_with_its_number(number, words, said):
    assert counted(number, *words) == said
