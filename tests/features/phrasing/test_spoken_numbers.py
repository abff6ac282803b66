"""Numbers as people say them: as near as two digits are, and never a share of none that is some."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.phrasing.spoken_numbers import count, number, share, shortened

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (9.96, "10"), (99.96, "100"), (10, "10"), (100, "100"), (1234.5, "1,234"),
        (56.71, "56.7"), (0.3512, "0.35"), (0.0996, "0.1"), (0.00412, "0.0041"), (-2.5, "−2.5"),
        (3.4e38, "3.4e+38"), (1e-30, "1e-30"), (1e12, "1e+12"), (999_999_999_999, "999,999,999,999"),
        (1e-6, "0.000001"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_do(value, text):
    assert number(value) == text


@given(FLOATS)
def test_a_written_number_is_near_the_number(value):
    assert float(number(value).replace(",", "").replace("−", "-")) == pytest.approx(value, rel=0.06)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0%"), (0.004, "under 1%"), (0.01, "1%"), (0.384, "38%"), (0.386, "39%"), (0.99, "99%"),
        (0.9951, "over 99%"), (1.0, "100%"),
    ],
)  # fmt: skip
def test_a_share_is_none_or_all_only_where_it_is(value, text):
    assert share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 days"),
        (0.5, "0.5 days"),
        (1, "1 day"),
        (1.04, "1 day"),
        (-1, "−1 day"),
        (2, "2 days"),
        (0.96, "0.96 days"),
    ],
)
def test_one_day_is_a_day_where_one_is_what_is_written(value, text):
    assert count(value, "day", "days") == text


def test_a_text_of_eighty_characters_is_shown_whole_and_a_longer_one_is_cut():
    assert shortened("x" * 80) == "x" * 80
    assert shortened("x" * 80 + "y") == "x" * 80 + "…"
