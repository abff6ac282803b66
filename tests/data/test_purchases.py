"""Conversions out of purchases: which of several days and which money counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.purchases import converted_by
from ml_sys.data.schema import NEVER_CLOSED


@pytest.mark.parametrize(
    ("own", "paid", "bought", "converted_on", "value"),
    {
        "no purchase": (100, 5.0, None, 100, 5.0),
        "a purchase before": (100, 5.0, 99, 99, 9.0),
        "a purchase after": (100, 5.0, 101, 100, 5.0),
        "a purchase on the day": (100, 5.0, 100, 100, 5.0),
        "a purchase on the day whose money nobody knew": (100, np.nan, 100, 100, 9.0),
        "a prospect that bought": (NEVER_CLOSED, np.nan, 100, 100, 9.0),
        "a prospect that did not": (NEVER_CLOSED, np.nan, None, NEVER_CLOSED, np.nan),
    }.values(),
)
def test_the_earlier_day_counts_with_its_money_and_on_one_day_what_the_table_of_customers_says(
    own: int, paid: float, bought: int | None, converted_on: int, value: float
) -> None:
    companies = pd.DataFrame({"id": ["a"], "converted_on": np.array([own], np.int32), "value": [paid]})
    first = pd.DataFrame(
        {"converted_on": np.array([bought or 1], np.int32), "value": [9.0]}, index=["a" if bought else "b"]
    )
    found = converted_by(companies, first)
    assert found["converted_on"].tolist() == [converted_on]
    np.testing.assert_array_equal(found["value"], [value])
