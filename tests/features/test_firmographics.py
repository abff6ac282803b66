"""Firmographics: free-form text becomes few levels, ranges become numbers, blanks stay blanks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.firmographics import (
    _SYNONYMS,
    CATEGORIES,
    MISSINGNESS,
    NUMBERS,
    Firmographics,
    firmographic_columns,
    normalised_industry,
)


def columns(*, with_missingness: bool = False, **given_columns: list[object]) -> dict[str, np.ndarray]:
    n = len(next(iter(given_columns.values())))
    blank = {"alexa_rank": [np.nan] * n, "employee_range": [None] * n, "industry": [None] * n}
    companies = pd.DataFrame({**blank, **given_columns})
    return firmographic_columns(Firmographics.from_companies(companies), with_missingness=with_missingness)


@pytest.mark.parametrize(
    "spellings",
    [
        ("Technology - Software", "COMPUTER_SOFTWARE", "Computer Software", "computer-software", "SaaS"),
        ("Marketing and Advertising", "MARKETING_AND_ADVERTISING", "Agency"),
        ("Non-Profit / Educational Institution", "NON_PROFIT_ORGANIZATION_MANAGEMENT"),
        ("Retail", "RETAIL", " retail ", "Ecommerce"),
        ("Financial Services", "BANKING", "finance"),
    ],
)
def test_spellings_of_one_industry_come_together(spellings: tuple[str, ...]) -> None:
    assert len({normalised_industry(text) for text in spellings}) == 1


def test_different_industries_stay_apart_and_blank_is_a_level() -> None:
    assert normalised_industry("Retail") != normalised_industry("Construction")
    assert normalised_industry(None) == normalised_industry("--") == normalised_industry("") == "missing"


@given(text=st.text(max_size=40))
def test_normalising_an_industry_twice_changes_nothing(text: str) -> None:
    once = normalised_industry(text)
    assert normalised_industry(once) == once
    assert once


@pytest.mark.parametrize(
    ("text", "employees", "level"),
    [
        ("1", 1.0, "1"),
        ("2 to 5", math.sqrt(10), "2_to_5"),
        ("11 to 25", math.sqrt(275), "11_to_25"),
        ("1,001 to 10,000", math.sqrt(1001 * 10_000), "1001_to_10000"),
        ("10,001 or more", 10_001.0, "10001_or_more"),
        ("0 to 10", 10.0, "0_to_10"),
        ("many", math.nan, "many"),
        ("0", math.nan, "0"),
        ("", math.nan, None),
        ("?!", math.nan, None),
        (None, math.nan, None),
        ("9" * 400, None, "9" * 400),
    ],
)
def test_an_employee_range_is_a_number_and_a_level(
    text: str | None, employees: float | None, level: str | None
) -> None:
    found = columns(employee_range=[text])
    if employees is None:
        assert np.isfinite(found["employees"][0])
    else:
        np.testing.assert_allclose(found["employees"], [employees], rtol=1e-6)
    assert found["employee_range"].tolist() == [level]


def test_an_unranked_site_has_no_rank_and_a_blank_one_is_neither_ranked_nor_unranked() -> None:
    found = columns(alexa_rank=[1000.0, np.inf, np.nan])
    np.testing.assert_allclose(found["log_rank"], [3, np.nan, np.nan])
    np.testing.assert_array_equal(found["unranked"], [0, 1, np.nan])


def test_a_blank_is_a_feature_only_when_asked_for() -> None:
    given_columns = {"alexa_rank": [5.0, np.inf, np.nan], "employee_range": ["1", None, "many"]}
    assert set(columns(**given_columns)) == {*NUMBERS, *CATEGORIES}
    found = columns(with_missingness=True, **given_columns)
    assert set(found) == {*NUMBERS, *CATEGORIES, *MISSINGNESS}
    assert found["rank_missing"].tolist() == [0, 0, 1]
    assert found["employees_missing"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("blank", [None, np.nan, pd.NA])
def test_every_kind_of_blank_is_the_same_blank(blank: object) -> None:
    found = columns(employee_range=[blank], industry=[blank])
    assert found["employee_range"].tolist() == [None]
    assert found["industry"].tolist() == ["missing"]


def test_nobody_is_no_trouble() -> None:
    assert all(column.size == 0 for column in columns(alexa_rank=[]).values())


def test_no_synonym_leads_to_another_one() -> None:
    assert not set(_SYNONYMS) & set(_SYNONYMS.values())
