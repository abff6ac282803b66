from __future__ import annotations

import pytest

from ml_sys.features.compute import FeatureSpec
from ml_sys.features.phrasing.phrases_of_rows import said_of_row
from tests.features import forms

SPEC = FeatureSpec((7,))

SHARES = {
    "share_contacts_28d": 0.8,
    "share_companies_28d": 0.0,
    "share_deals_28d": 0.05,
    "share_email_28d": 0.15,
}


@pytest.mark.parametrize(
    ("feature", "values", "text"),
    [
        (
            "actions_week_over_week",
            {"actions_7d": 1, "actions_14d": 3},
            "1 fewer action than the week before: 1 in the last 7 days after 2",
        ),
        (
            "actions_growth_28d_91d",
            {"actions_28d": 480, "actions_91d": 780},
            "480 actions in the last 28 days, 120 a week, against 60 a week over the last 91",
        ),
        (
            "users_growth_7d_28d",
            {"users_7d": 12, "users_28d": 32},
            "12 weekly users in the last 7 days, against 8 a week over the last 28",
        ),
        (
            "object_entropy_28d",
            SHARES,
            "actions in the last 28 days: 80% on contacts, 15% in email, 5% on deals",
        ),
        (
            "object_entropy_28d",
            {
                f"share_{one}_28d": at / 10
                for at, one in enumerate(("contacts", "companies", "deals", "email"), 1)
            },
            "actions in the last 28 days: 40% in email, 30% on deals, 20% on companies",
        ),
        (
            "actions_week_over_week",
            {"actions_7d": 3, "actions_14d": 3},
            "3 more actions than the week before: 3 in the last 7 days after 0",
        ),
    ],
)
def test_ratios_are_told_by_the_numbers_they_are_made_of(feature, values, text):
    assert said_of_row(feature, values, SPEC) == text


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        ("actions_week_over_week", {"actions_7d": 2, "actions_14d": 4}),
        ("actions_week_over_week", {"actions_7d": 2}),
        ("actions_week_over_week", {"actions_7d": 2, "actions_14d": None}),
        ("actions_growth_7d_28d", {"actions_7d": 0, "actions_28d": 4}),
        ("actions_growth_7d_28d", {"actions_7d": float("nan"), "actions_28d": 4}),
        ("object_entropy_28d", SHARES | {"share_email_28d": None}),
        ("object_entropy_28d", dict.fromkeys(SHARES, 0.0)),
        ("industry", {"industry": "retail"}),
    ],
)
def test_without_the_numbers_the_feature_s_own_phrase_has_to_do(feature, values):
    assert said_of_row(feature, values, SPEC) is None


@pytest.mark.parametrize(
    ("feature", "values", "text"),
    [
        (
            "minutes_watched_growth_1d_7d",
            {"minutes_watched_sum_1d": 30, "minutes_watched_sum_7d": 84},
            "watched 30 minutes in the last day, against 12 a day over the last 7",
        ),
        (
            "actions_growth_7d_28d",
            {"actions_7d": 14, "actions_28d": 28},
            "14 actions in the last 7 days, 2 a day, against 1 a day over the last 28",
        ),
        (
            "object_entropy_7d",
            {"share_lesson_7d": 0.75, "share_quiz_7d": 0.25, "share_other_7d": 0.0},
            "actions in the last 7 days: 75% lesson events, 25% quiz events",
        ),
    ],
)
def test_another_form_tells_its_ratios_in_its_own_words(feature, values, text):
    assert said_of_row(feature, values, forms.SPEC) == text


@pytest.mark.parametrize(
    ("feature", "values", "text"),
    [
        (
            "actions_month_over_month",
            {"actions_28d": 4, "actions_59d": 9},
            "1 fewer use than the month before: 4 in the last month after 5",
        ),
        (
            "actions_growth_28d_89d",
            {"actions_28d": 1, "actions_89d": 6},
            "1 use in the last month, against 2 a month over the last 3 months",
        ),
        (
            "users_growth_89d_365d",
            {"users_89d": 12, "users_365d": 24},
            "12 monthly readers in the last 3 months, 4 a month, against 2 a month over the last 12 months",
        ),
        (
            "fees_growth_28d_89d",
            {"fees_sum_28d": 1, "fees_sum_89d": 4.5},
            "paid 1 euro in the last month, against 1.5 a month over the last 3 months",
        ),
        (
            "object_entropy_89d",
            {"share_open_stacks_89d": 0.25, "share_e_books_89d": 0.75},
            "uses in the last 3 months: 75% of e-books, 25% from the stacks",
        ),
    ],
)
def test_months_are_told_as_months_and_one_of_a_thing_as_one(feature, values, text):
    assert said_of_row(feature, values, forms.MONTHLY) == text
