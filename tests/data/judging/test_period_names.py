"""Which names of columns say that they hold one period each."""

from __future__ import annotations

import pytest

from ml_sys.data.judging.period_names import of_one_period, why, wide


@pytest.mark.parametrize(
    "names",
    [
        ["2024-01", "2024-02", "2024-03"],
        ["logins_2024_01", "logins_2024_02", "logins_2024_12"],
        ["202401", "202402", "202403"],
        ["Jan 2024", "Feb 2024", "September 2024"],
        ["mar-24 spend", "apr-24 spend", "may-24 spend"],
        ["Q1 2024", "Q2 2024", "Q3 2024"],
        ["2024_Q1_revenue", "2024_Q2_revenue", "2024_Q3_revenue"],
        ["2024-W01", "2024-W02", "2024-W53"],
        ["M1_spend", "M2_spend", "M3_spend"],
        ["logins_week_1", "logins_week_2", "logins_week_10"],
        ["day7", "day14", "day30"],
    ],
)
def test_columns_of_a_month_a_quarter_or_a_week_each_are_told(names: list[str]) -> None:
    assert of_one_period(["id", "country", *names]) == dict.fromkeys(names, 3)
    assert wide(["id", *names]) == (names[0], names[-1], 3)


@pytest.mark.parametrize(
    "names",
    [
        ["employees_2023", "employees_2024", "employees_2025"],  # years of a company's accounts
        ["address1", "address2", "address3"],
        ["m1", "m2"],
        ["question_1", "question_2", "question_3"],
        ["marketing_2024", "decision_2024", "mayor 24"],
        ["level3", "room12", "form10"],
        ["iso_202499", "x12024-01"],
    ],
)
def test_other_names_with_numbers_are_not(names: list[str]) -> None:
    assert of_one_period(names) == {}
    assert wide(names) is None


def test_one_of_a_month_may_be_an_accident_and_three_are_none() -> None:
    assert of_one_period(["webinar_2024_05"]) == {"webinar_2024_05": 1}
    assert why(1) == ("named after a period, so its values are not known at earlier cutoffs", False)
    assert why(3)[1]
