"""How the page writes numbers, shares, intervals and settings."""

from __future__ import annotations

from math import inf, nan

import pytest

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.report.numbers import NONE, in_ten, number, percent, percent_spread, spread, text


@pytest.mark.parametrize("missing", [None, nan, inf])
def test_what_is_not_a_number_is_a_dash(missing: float | None) -> None:
    assert number(missing) == percent(missing) == NONE


def test_a_missing_estimate_is_a_dash_and_one_without_an_interval_stands_alone() -> None:
    nothing = Estimate(nan, nan, nan)
    assert spread(None) == spread(nothing) == percent_spread(None) == percent_spread(nothing) == NONE
    assert spread(Estimate(0.5, 0.5, 0.5), 1) == "0.5"
    assert percent_spread(Estimate(0.5, 0.5, 0.5)) == "50.0%"


def test_an_interval_stands_in_brackets_with_the_decimals_of_its_value() -> None:
    assert spread(Estimate(1234.5, 0.25, 2000), 1) == "1,234.5 (0.2 to 2,000.0)"
    assert percent_spread(Estimate(0.25, 0.1, 0.5), 0) == "25% (10% to 50%)"


def test_a_small_share_has_a_decimal_more() -> None:
    assert (percent(0.005), percent(0.0049), percent(0.0)) == ("0.5%", "0.49%", "0.0%")


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.14, "14%"),
        (0.15, "2 in 10"),
        (0.25, "3 in 10"),
        (0.349, "3 in 10"),
        (0.949, "9 in 10"),
        (0.96, "96%"),
        (1.0, "100%"),
    ],
)
def test_shares_are_said_in_tenths_where_these_are_fine_enough(share: float, said: str) -> None:
    assert in_ten(share) == said


def test_settings_are_written_as_people_write_them() -> None:
    values = [True, None, (), (7, 28), {"C": 1.0}, {}, "", "mean"]
    said = ["yes", NONE, "none", "7, 28", "C = 1.0", "none", "empty", "mean"]
    assert [text(one) for one in values] == said


def test_a_number_below_zero_has_a_minus_sign_and_what_is_rounded_to_zero_has_none() -> None:
    assert number(-1169.4, 0) == "−1,169"
    assert number(-0.0004) == "0.000"
    assert spread(Estimate(-0.8, -1.25, 0.4), 1) == "−0.8 (−1.2 to 0.4)"
