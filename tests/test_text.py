from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.text import counted, date_of, likely


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


@given(st.dates())
def test_days_since_1970_are_dates(day):
    assert date_of((day - date(1970, 1, 1)) / timedelta(days=1)) == day.isoformat()


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.0, "under 1%"), (0.0099, "under 1%"), (0.01, "1%"), (0.5, "50%"), (0.99, "99%"), (0.994, "over 99%"),
     (1.0, "over 99%"), (math.nan, "–")],
)  # fmt: skip
def test_an_estimate_claims_no_certainty(probability, said):
    assert likely(probability) == said
