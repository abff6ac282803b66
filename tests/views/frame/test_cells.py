from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from math import nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.text import date_of
from ml_sys.views.frame.cells import interval, number, percent, plain


@dataclass(frozen=True)
class Nested:
    folder: Path
    shares: tuple[float, ...]
    inner: dict[int, object]


@pytest.mark.parametrize("missing", [nan, np.float64("nan"), np.float32("nan")])
def test_a_number_that_does_not_exist_is_no_text(missing):
    assert number(missing, 3) is None
    assert percent(missing) is None
    assert interval(Estimate(0.5, missing, missing), 3) is None


def test_numbers_have_the_decimals_asked_for():
    assert number(None, 3) is None
    assert number(np.float32(0.5), 3) == "0.500"
    assert percent(0.00249) == "0.25%"
    assert interval(Estimate(0.5, 0.25, 0.75), 2) == "0.25 to 0.75"


@given(day=st.dates())
def test_days_are_counted_from_1970(day):
    counted = (day - date(1970, 1, 1)).days
    assert (
        date_of(counted) == date_of(np.int32(counted)) == day.isoformat() == str(np.datetime64(counted, "D"))
    )


def test_nested_results_become_plain_json_without_nan():
    result = plain(Nested(Path("models/1.0.0"), (0.5, nan), {3: [Nested(Path("x"), (), {})]}))
    assert result == {
        "folder": "models/1.0.0",
        "shares": [0.5, None],
        "inner": {"3": [{"folder": "x", "shares": [], "inner": {}}]},
    }
    json.dumps(result, allow_nan=False)


def test_a_number_below_zero_has_a_minus_sign_and_what_is_rounded_to_zero_has_none():
    assert number(-169.4, 0) == "−169"
    assert number(-0.004, 2) == "0.00"
    assert interval(Estimate(0.5, -1.0, 2.0), 1) == "−1.0 to 2.0"
