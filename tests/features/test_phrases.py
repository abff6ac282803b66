"""What features say in words: right for every feature and for every value."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.compute import FeatureSpec
from ml_sys.features.derived import FEATURES, NEVER_DAYS
from ml_sys.features.firmographics import CATEGORIES
from ml_sys.features.phrases import PHRASES, phrase_of

EVERYTHING = FeatureSpec((1, 5, 7, 10, 28, 365), firmographic_missingness=True).names()
NUMBERS = [name for name in EVERYTHING if name not in CATEGORIES]
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
# A noun after a number that it does not agree with.
DISAGREES = re.compile(
    r"(?<![\d.,])1 (?:weekly |more |fewer )*(?:actions|people|users|weeks|days|employees|tools)\b"
    r"|(?:[02-9]|\d\d|\.\d+) (?:weekly |more |fewer )*(?:action|person|user|week|day|employee|tool)\b"
)

SAID = [
    ("actions_crm_contacts_sum_28d", 12.0, "12 actions on contacts in the last 28 days"),
    ("actions_crm_contacts_sum_28d", 1.0, "1 action on contacts in the last 28 days"),
    ("actions_crm_contacts_sum_28d", 0.0, "no actions on contacts in the last 28 days"),
    ("actions_crm_contacts_sum_28d", None, "contacts activity not known"),
    ("actions_crm_deals_max_28d", 7.0, "7 actions on deals in the busiest week of the last 28 days"),
    ("actions_crm_deals_max_7d", 7.0, "7 actions on deals in the last 7 days"),
    ("actions_email_sum_91d", 1234.0, "1,234 actions in email in the last 91 days"),
    ("users_crm_contacts_max_91d", 12.0, "12 people used contacts in the busiest week of the last 91 days"),
    ("users_crm_contacts_sum_7d", 1.0, "1 person used contacts in the last 7 days"),
    ("users_crm_companies_sum_28d", 9.0, "9 weekly users of companies in the last 28 days, added up"),
    ("users_email_max_28d", 0.0, "nobody used email in the last 28 days"),
    ("weeks_present_28d", 3.0, "usage recorded in 3 weeks of the last 28 days"),
    ("weeks_active_28d", 1.0, "active in 1 week of the last 28 days"),
    ("weeks_active_1d", 1.0, "active in 1 week of the last day"),
    ("weeks_active_28d", 0.0, "not active in the last 28 days"),
    ("present_share_91d", 5 / 13, "usage recorded in 38% of its weeks in the last 91 days"),
    ("actions_28d", 40.0, "40 actions in the last 28 days"),
    ("users_7d", 3.0, "3 users in the last 7 days, all tools added up"),
    ("users_91d", 17.0, "17 weekly users in the last 91 days, all tools added up"),
    ("most_users_28d", 2.0, "2 people used one tool in the busiest week of the last 28 days"),
    ("users_per_active_week_28d", 2.5, "2.5 users in an average active week of the last 28 days"),
    ("actions_per_user_28d", 1.0, "1 action per user and week in the last 28 days"),
    ("actions_per_active_week_91d", 0.0, "not active in the last 91 days"),
    ("actions_growth_28d_91d", 3.21, "activity rose to 3.2× its 91-day rate in the last 28 days"),
    ("actions_growth_28d_91d", 0.4, "activity fell to 0.4× its 91-day rate in the last 28 days"),
    ("actions_growth_28d_91d", 1.0, "activity in the last 28 days is at its 91-day rate"),
    ("actions_growth_7d_28d", 0.0, "no activity in the last 7 days"),
    ("users_growth_7d_28d", 4.0, "number of users rose to 4× its 28-day rate in the last 7 days"),
    ("actions_week_over_week", 0.7, "more actions in the last 7 days than in the 7 before"),
    ("actions_week_over_week", -0.7, "fewer actions in the last 7 days than in the 7 before"),
    ("actions_week_over_week", 0.0, "as many actions in the last 7 days as in the 7 before"),
    ("users_change_28d", -1.0, "1 fewer weekly user in the last 28 days than in the 28 before"),
    ("users_change_28d", 6.0, "6 more weekly users in the last 28 days than in the 28 before"),
    ("object_entropy_28d", 0.0, "no more than one tool used in the last 28 days"),
    ("object_entropy_28d", math.log(3), "actions in the last 28 days spread as over 3 tools"),
    ("objects_used_28d", 1.0, "1 of 4 tools used in the last 28 days"),
    ("share_deals_28d", 1.0, "100% of actions in the last 28 days are on deals"),
    ("share_deals_28d", 0.001, "under 1% of actions in the last 28 days are on deals"),
    ("days_since_first_row", 40.0, "first seen 40 days ago"),
    ("days_since_first_row", NEVER_DAYS, "never seen"),
    ("days_since_last_row", 0.0, "last seen today"),
    ("days_since_last_active", 1.0, "last active 1 day ago"),
    ("log_rank", math.log10(253_412), "traffic rank about 250,000"),
    ("log_rank", 0.0, "traffic rank about 1"),
    ("log_rank", math.nan, "no traffic rank known"),
    ("unranked", 1.0, "site has no traffic rank"),
    ("unranked", 0.0, "site has a traffic rank"),
    ("rank_missing", 1.0, "no traffic rank known"),
    ("rank_missing", 0.0, "traffic rank known, or known to be none"),
    ("employees", 16.58, "about 17 employees"),
    ("employees", None, "number of employees not known"),
    ("employee_range", "11_to_25", "employees: 11 to 25"),
    ("employee_range", "10001_or_more", "employees: 10,001 or more"),
    ("employee_range", None, "number of employees not known"),
    ("employees_missing", 0.0, "number of employees known"),
    ("industry", "software", "industry: software"),
    ("industry", "it_services", "industry: it services"),
    ("industry", "missing", "industry not known"),
    ("industry", None, "industry not known"),
]


@pytest.mark.parametrize(("feature", "value", "text"), SAID)
def test_a_value_is_said_in_words(feature, value, text):
    assert phrase_of(feature).say(value) == text


@given(st.sets(st.integers(1, 4000), min_size=1, max_size=3), st.booleans())
def test_every_feature_that_a_model_can_have_is_put_into_words(windows, missingness):
    for name in FeatureSpec(tuple(windows), firmographic_missingness=missingness).names():
        phrase = phrase_of(name)
        assert phrase.say(1.0) != f"{name} is 1"
        assert "_" not in phrase.statement


def test_no_phrase_is_left_of_a_derived_feature_that_is_gone():
    derived = set(FEATURES) | set(EVERYTHING)
    families = ("most_users_", "actions_per_active_week_", "objects_used_")  # in words for every window
    assert not [name for name in PHRASES if name not in derived and not name.startswith(families)]


@given(st.sampled_from(NUMBERS), FLOATS)
def test_any_number_makes_a_short_phrase_whose_nouns_agree(feature, value):
    text = phrase_of(feature).say(value)
    assert 0 < len(text) <= 110
    assert not re.search(r"\b(nan|inf|None)\b|\{|  |_", text)
    assert not DISAGREES.search(text), text


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 2.0, 0.5, 1.04, 21.0, 1001.0, -21.0])
def test_nouns_agree_with_small_numbers(value):
    for text in (phrase_of(feature).say(value) for feature in NUMBERS):
        # A part of a whole is no number of tools.
        assert not DISAGREES.search(text.replace("of 4 tools", "")), text


def test_a_blank_is_said_to_be_unknown_without_a_figure():
    for phrase in map(phrase_of, EVERYTHING):
        assert "known" in phrase.say(None)
        assert not re.search(r"\d", phrase.say(None))
        assert phrase.say(math.nan) == phrase.say(None)


def test_columns_that_tell_the_same_share_a_statement():
    about = {name: phrase_of(name).statement for name in EVERYTHING}
    assert about["actions_crm_deals_sum_5d"] == about["actions_crm_deals_max_365d"] == "deals activity"
    assert about["actions_crm_deals_sum_5d"] != about["actions_crm_contacts_sum_5d"]
    assert about["users_crm_deals_sum_5d"] == "deals users"
    assert about["actions_growth_7d_28d"] == about["actions_week_over_week"]
    assert about["log_rank"] == about["unranked"] == about["rank_missing"]
    assert about["employees"] == about["employee_range"] == about["employees_missing"]
    assert len(set(about.values())) < 25


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.2, "calls_28d is 3.2"),
        (0.0, "calls_28d is 0"),
        (None, "calls_28d is not known"),
        ("a", "calls_28d is a"),
    ],
)
def test_a_feature_of_someone_else_is_said_by_name_and_value(value, text):
    phrase = phrase_of("calls_28d")
    assert (phrase.statement, phrase.say(value)) == ("calls_28d", text)


def test_a_feature_that_only_looks_like_a_window_is_said_by_name():
    assert phrase_of("actions_crm_tickets_sum_28d").say(2.0) == "actions_crm_tickets_sum_28d is 2"
    assert phrase_of("weeks_active_28d_more").say(2.0) == "weeks_active_28d_more is 2"


@pytest.mark.parametrize("feature", ["industry", "employee_range", "calls_28d"])
def test_a_long_text_is_cut(feature):
    text = phrase_of(feature).say("x" * 500)
    assert len(text) < 110
    assert text.endswith("…")
