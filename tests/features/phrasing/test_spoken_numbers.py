"""Numbers as people say them: as near as two digits are, and never a share of none that is some."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.phrasing.spoken_numbers import number, share

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (9.96, "10"), (99.96, "100"), (10, "10"), (100, "100"), (1234.5, "1,234"),
        (56.71, "56.7"), (0.3512, "0.35"), (0.0996, "0.1"), (0.00412, "0.0041"), (-2.5, "-2.5"),
        (3.4e38, "3.4e+38"), (1e-30, "1e-30"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_do(value, text):
    assert number(value) == text


@given(FLOATS)
def test_a_written_number_is_near_the_number(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.06)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0%"), (0.004, "under 1%"), (0.01, "1%"), (0.384, "38%"), (0.99, "99%"), (0.9951, "over 99%"),
        (1.0, "100%"),
    ],
)  # fmt: skip
def test_a_share_is_none_or_all_only_where_it_is(value, text):
    assert share(value) == text
