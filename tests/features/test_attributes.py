"""Firmographics: free-form text becomes few levels, ranges become numbers, blanks stay blanks."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.attributes import (
    NUMERIC,
    Attributes,
    attribute_columns,
    blanks,
    category_names,
    feature_names,
    missing_name,
    number_name,
    telling_blanks,
)
from ml_sys.features.spellings import normalised
from ml_sys.form import Attribute
from ml_sys.settings.description import default_form
from tests.features.forms import COURSE, PLANS

NUMBERS = ("log_rank", "unranked", "employees")
CATEGORIES = ("employee_range", "industry")
MISSINGNESS = ("rank_missing", "employees_missing")
DESCRIBED = default_form().attributes
SYNONYMS = dict(default_form().attribute("industry").synonyms)


def normalised_industry(text: str | None) -> str:
    return normalised(text, SYNONYMS)


def columns(*, with_missingness: bool = False, **given_columns: list[object]) -> dict[str, np.ndarray]:
    n = len(next(iter(given_columns.values())))
    blank = {"alexa_rank": [np.nan] * n, "employee_range": [None] * n, "industry": [None] * n}
    companies = pd.DataFrame({**blank, **given_columns})
    return attribute_columns(
        Attributes.from_companies(companies, DESCRIBED), with_missingness=with_missingness
    )


@pytest.mark.parametrize(
    "spellings",
    [
        ("Technology - Software", "COMPUTER_SOFTWARE", "Computer Software", "computer-software", "SaaS"),
        ("Marketing and Advertising", "MARKETING_AND_ADVERTISING", "Agency"),
        ("Non-Profit / Educational Institution", "NON_PROFIT_ORGANIZATION_MANAGEMENT"),
        ("Retail", "RETAIL", " retail ", "Ecommerce"),
        ("Financial Services", "BANKING", "finance"),
        ("Éducation", "E\u0301DUCATION", "éducation"),
        ("\uff29\uff34 Services", "it-services", "IT\u00a0services", "I\u00adT\u200b services"),
        ("Straße", "STRASSE"),
        ("Здравоохранение", "ЗДРАВООХРАНЕНИЕ"),
    ],
)
def test_spellings_of_one_industry_come_together(spellings: tuple[str, ...]) -> None:
    assert len({normalised_industry(text) for text in spellings}) == 1


def test_different_industries_stay_apart_and_blank_is_a_level() -> None:
    assert normalised_industry("Retail") != normalised_industry("Construction")
    assert normalised_industry(None) == normalised_industry("--") == normalised_industry("") == "missing"


@pytest.mark.parametrize(
    "industries",
    [
        ("教育", "金融", "医疗保健", "小売"),
        ("Образование", "Финансы"),
        ("تعليم", "تمويل"),
        ("חינוך", "פיננסים"),
        ("शिक्षा", "शाखा", "शेखी"),
        ("การศึกษา", "การเงิน"),
        ("교육", "금융"),
        ("Éducation", "Ducation"),
    ],
)
def test_industries_of_any_script_stay_different_levels(industries: tuple[str, ...]) -> None:
    levels = {normalised_industry(text) for text in industries}
    assert len(levels) == len(industries)
    assert "missing" not in levels


def test_every_character_is_brought_to_a_form_that_stays() -> None:
    """Beyond the second plane there are ideographs and tags: the first blocks of each stand for them."""
    planes = [range(plane, plane + 0x1000, 0x100) for plane in range(0x20000, 0x110000, 0x10000)]
    for start in (*range(0, 0x20000, 0x100), *chain.from_iterable(planes)):
        block = "a ".join(map(chr, range(start, start + 0x100)))
        once = normalised_industry(block)
        assert normalised_industry(once) == once, hex(start)


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
        ("1.000 - 5.000", math.sqrt(5_000_000), "1000_to_5000"),
        ("1,000 to 5,000", math.sqrt(5_000_000), "1000_to_5000"),
        ("1 000 – 5 000", math.sqrt(5_000_000), "1000_to_5000"),
        ("1\u00a0000-5\u202f000", math.sqrt(5_000_000), "1000_to_5000"),
        ("1'000 to 5’000", math.sqrt(5_000_000), "1000_to_5000"),
        ("1k-5k", math.sqrt(5_000_000), "1000_to_5000"),
        ("1-5k", math.sqrt(5_000_000), "1000_to_5000"),
        ("500-1k", math.sqrt(500_000), "500_to_1000"),
        ("10k+", 10_000.0, "10000_or_more"),
        ("10K +", 10_000.0, "10000_or_more"),
        ("10.001+", 10_001.0, "10001_or_more"),
        ("2m", 2_000_000.0, "2000000"),
        ("1.5k", 1_500.0, "1500"),
        ("1,5 M", 1_500_000.0, "1500000"),
        ("1,234,567", 1_234_567.0, "1234567"),
        ("10 members", 10.0, "10_members"),
        ("11-50 employees", math.sqrt(550), "11_to_50_employees"),
        ("2-5", math.sqrt(10), "2_to_5"),
        ("\uff11\uff11\uff5e\uff15\uff10", math.sqrt(550), "11_to_50"),
        ("\u0665\u0660", 50.0, "50"),
        ("от 10 до 50", math.sqrt(500), "от_10_до_50"),
        ("0.5", 0.5, "0_5"),
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
    assert [*NUMBERS, *CATEGORIES] == feature_names(DESCRIBED, with_missingness=False)
    assert category_names(DESCRIBED) == list(CATEGORIES)
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
    assert not set(SYNONYMS) & set(SYNONYMS.values())


def test_a_mark_that_an_invisible_character_keeps_from_its_letter_is_joined_to_it() -> None:
    assert (
        normalised_industry("cafe\u200d\u0301 bar") == normalised_industry("caf\u00e9 bar") == "caf\u00e9_bar"
    )


# Attributes of any form


def course(**given: object) -> dict[str, object]:
    """Return the one value of each feature of a student."""
    row = [given.get(one.name) for one in COURSE.attributes]
    found = attribute_columns(Attributes.of(COURSE.attributes, [row]), with_missingness=False)
    return {name: column.tolist()[0] for name, column in found.items()}


def test_every_kind_of_attribute_becomes_what_its_name_promises() -> None:
    found = course(age=17, plan="Basic ", country="UK", school="West", newsletter=True, class_size="11 to 25")
    assert found == {
        "age": 17,
        "age_missing": 0,
        "plan": 1,
        "plan_missing": 0,
        "country": "united_kingdom",
        "school": "west",
        "newsletter": 1,
        "newsletter_missing": 0,
        "class_size": "11_to_25",
        "class_size_number": pytest.approx(math.sqrt(275)),
        "class_size_number_missing": 0,
    }
    assert set(found) == set(feature_names(COURSE.attributes, with_missingness=False))


def test_a_blank_is_a_feature_unless_blanks_get_filled_in_for_those_that_convert() -> None:
    found = course()
    assert [name for name, value in found.items() if value == 1] == [
        *("age_missing", "plan_missing", "newsletter_missing", "class_size_number_missing"),
    ]
    assert (found["country"], found["school"]) == ("missing", None)
    assert "school_missing" not in feature_names(COURSE.attributes, with_missingness=True)
    shown = attribute_columns(Attributes.of(COURSE.attributes, [[None] * 6]), with_missingness=True)
    assert shown["school"].tolist() == ["missing"]


@pytest.mark.parametrize(
    ("text", "place"), [*zip(PLANS, range(3), strict=True), ("PRO", 2), ("gold", math.nan)]
)
def test_an_ordered_text_is_its_place_among_the_levels(text: str, place: float) -> None:
    assert course(plan=text)["plan"] == pytest.approx(place, nan_ok=True)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_number_over_orders_of_magnitude_is_blank_where_it_has_no_logarithm(value: float) -> None:
    one = Attribute("revenue", "number", "revenue", "revenue", scale="log")
    found = attribute_columns(Attributes.of((one,), [[value], [100.0]]), with_missingness=False)
    np.testing.assert_array_equal(found["log_revenue"], np.array([np.nan, 2.0], np.float32))


def test_a_number_larger_than_a_float32_stays_finite() -> None:
    one = Attribute("revenue", "number", "revenue", "revenue")
    found = attribute_columns(Attributes.of((one,), [[1e300], [-1e300]]), with_missingness=False)
    assert np.isfinite(found["revenue"]).all()


def test_the_attributes_of_some_are_those_of_all_in_the_order_given() -> None:
    every = Attributes.of(COURSE.attributes, [[age, None, str(age), None, None, None] for age in range(5)])
    some = every.take(np.array([3, 1]))
    assert (some.n_companies, some.columns[0].tolist(), some.columns[2].tolist()) == (2, [3, 1], ["3", "1"])
    assert every.take(slice(4, 9)).n_companies == 1
    assert blanks(some.columns[1]).all()
    assert Attributes.of((), []).n_companies == 0


# Rules that a number keeps, whatever it stands for

BEDS = Attribute(
    "beds", "number", "beds", "beds", none=0.0, none_feature="no_beds", none_label="house has no beds"
)


def one_column(one: Attribute, *values: object, with_missingness: bool = True) -> dict[str, list[object]]:
    found = attribute_columns(Attributes.of((one,), [[v] for v in values]), with_missingness=with_missingness)
    return {name: column.tolist() for name, column in found.items()}


def test_a_number_that_is_not_on_a_log_scale_stays_what_it_is_below_zero_too() -> None:
    found = one_column(BEDS, -3.0, 0.0, 2.5, np.inf, None)
    np.testing.assert_array_equal(found["beds"], [-3, 0, 2.5, np.nan, np.nan])
    np.testing.assert_array_equal(found["no_beds"], [0, 0, 0, 1, np.nan])
    assert found["beds_missing"] == [0, 0, 0, 0, 1]


def test_zero_may_be_the_number_that_means_none() -> None:
    assert feature_names((BEDS,), with_missingness=True) == ["beds", "no_beds", "beds_missing"]


def test_zero_no_and_a_blank_text_are_values_and_no_blanks() -> None:
    assert course(age=0)["age"] == 0
    assert course(age=0)["age_missing"] == 0
    assert (course(newsletter=False)["newsletter"], course(newsletter=False)["newsletter_missing"]) == (0, 0)
    assert course(country=0)["country"] == "0"
    assert blanks(np.array(["", "0", None], dtype=object)).tolist() == [False, False, True]


def test_only_a_number_is_called_after_its_logarithm() -> None:
    flag = Attribute("paid", "flag", "paid", "paid", scale="log")
    assert feature_names((flag,), with_missingness=False) == ["paid", "paid_missing"]


def test_a_level_is_found_however_it_and_the_value_are_spelled() -> None:
    one = Attribute("stage", "ordered", "stage", "stage", levels=("Seed round", "GROWTH", "late-stage"))
    assert one_column(one, "seed-round", "Growth", "Late stage")["stage"] == [0, 1, 2]


def test_a_batch_of_checked_rows_has_the_attributes_that_the_rows_have() -> None:
    rows = [
        [17.0, "pro", None, "west", 1.0, "11 to 25"],
        [np.nan, None, "DE", "west", 0.0, None],
        [np.inf] + [None] * 5,
    ]
    columns = {one.name: [row[at] for row in rows] for at, one in enumerate(COURSE.attributes)}
    kinds = {one.name: pa.float64() if one.kind in NUMERIC else pa.string() for one in COURSE.attributes}
    batch = pa.RecordBatch.from_pydict(
        {name: pa.array(column, kinds[name]) for name, column in columns.items()} | {"id": ["a", "b", "c"]}
    )
    expected = Attributes.of(COURSE.attributes, rows)
    for start, stop in ((0, 3), (1, 3), (2, 2)):
        found = Attributes.from_batch(batch.slice(start, stop - start), COURSE.attributes)
        assert found.n_companies == stop - start
        for one, other in zip(found.columns, expected.take(slice(start, stop)).columns, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_number_between_none_and_one_has_a_logarithm_below_zero() -> None:
    speed = Attribute("speed", "number", "speed", "speed", scale="log")
    assert one_column(speed, 0.01, 1.0)["log_speed"] == pytest.approx([-2, 0])


def test_features_of_an_attribute_are_named_by_its_kind_and_tell_its_blanks() -> None:
    plain = Attribute("size", "number", "staff", "size")
    logged = replace(plain, scale="log")
    ranked = replace(logged, none=9.0, none_feature="unranked")
    category, ranged = replace(plain, kind="category"), replace(plain, kind="range", scale="log")
    assert [number_name(one) for one in (plain, logged, ranged)] == ["staff", "log_staff", "staff"]
    assert missing_name(logged) == "staff_missing"
    every = {"staff", "log_staff", "size", "unranked"}
    told = [telling_blanks([one], every) for one in (plain, logged, ranked, category, ranged)]
    assert told == [
        {"staff": "staff"},
        {"staff": "log_staff"},
        {"staff": "unranked"},
        {"staff": "staff"},
        {"size": "size"},
    ]
    assert telling_blanks([plain, logged, ranked, category, ranged], {"log_staff"}) == {"staff": "log_staff"}


def test_a_text_is_kept_once_however_many_entities_have_it() -> None:
    companies = pd.DataFrame({one.name: [None, "a b", None, "a b", "c"] for one in DESCRIBED})
    texts = [one for one in DESCRIBED if one.kind in {"category", "range", "ordered"}]
    columns = Attributes.from_companies(companies.astype("str"), tuple(texts)).columns
    assert texts
    for column in columns:
        assert column.tolist() == [None, "a b", None, "a b", "c"]
        assert column[1] is column[3]
