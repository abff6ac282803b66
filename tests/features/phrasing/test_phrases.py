"""What features say in words: right for every feature and for every value."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.days import Period
from ml_sys.features.attributes import category_names
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.derived import NEVER_DAYS
from ml_sys.features.phrasing import phrases
from ml_sys.features.phrasing.attribute_phrases import attribute_phrases
from ml_sys.features.phrasing.phrase import Phrase
from ml_sys.form import Attribute
from tests.features import forms

SPEC = FeatureSpec((1, 5, 7, 10, 28, 91, 365), attribute_missingness=True, history="on")
EVERYTHING = SPEC.names()
CATEGORIES = category_names(SPEC.form.attributes)
NUMBERS = [name for name in EVERYTHING if name not in CATEGORIES]
COURSE = forms.SPEC.names()
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
# A noun after a number that it does not agree with.
DISAGREES = re.compile(
    r"(?<![\d.,])1 (?:weekly |more |fewer )*(?:actions|people|users|weeks|days|employees|tools)\b"
    r"|(?:[02-9]|\d\d|\.\d+) (?:weekly |more |fewer )*(?:action|person|user|week|day|employee|tool)\b"
)


def phrase_of(feature: str, spec: FeatureSpec = SPEC) -> Phrase:
    return phrases.phrase_of(feature, spec)


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
    ("weeks_active_1d", 1.0, "active in the last day"),
    ("weeks_present_7d", 1.0, "usage recorded in the last 7 days"),
    ("weeks_present_14d", 1.0, "usage recorded in 1 week of the last 14 days"),
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
    ("days_since_first_row", 42.0, "first seen 43 to 49 days ago"),
    ("days_since_first_row", NEVER_DAYS, "never seen"),
    ("days_since_last_row", 0.0, "last seen 1 to 7 days ago"),
    ("days_since_last_active", 7.0, "last active 8 to 14 days ago"),
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
    ("actions_growth_28d_91d", 1.004, "activity in the last 28 days is at its 91-day rate"),
    ("users_growth_28d_91d", 0.5, "number of users fell to 0.5× its 91-day rate in the last 28 days"),
    ("object_entropy_28d", 5.0, "actions in the last 28 days spread as over 4 tools"),
    ("days_since_first_row", 800.0, "first seen 801 to 807 days ago"),
    ("present_share_91d", 0.0, "no usage recorded in the last 91 days"),
    ("most_users_7d", 1.0, "1 person used one tool in the last 7 days"),
    ("log_rank", math.log10(2.6), "traffic rank about 3"),
    ("log_rank", math.log10(0.25), "traffic rank about 0.25"),
    ("employee_range", "missing", "employees: missing"),
]


@pytest.mark.parametrize(("feature", "value", "text"), SAID)
def test_a_value_is_said_in_words(feature, value, text):
    assert phrase_of(feature).say(value) == text


@given(st.sets(st.integers(1, 4000), min_size=1, max_size=3), st.booleans())
def test_every_feature_that_a_model_can_have_is_put_into_words(windows, missingness):
    spec = FeatureSpec(tuple(windows), attribute_missingness=missingness)
    for name in spec.names():
        phrase = phrase_of(name, spec)
        assert phrase.say(1.0) != f"{name} is 1"
        assert "_" not in phrase.statement


def test_no_phrase_is_left_of_a_feature_that_is_gone():
    families = ("most_users_", "actions_per_active_", "objects_used_")  # in words for every window
    windows = FeatureSpec(tuple(sorted({*SPEC.windows_days, *SPEC.spans.windows})))
    left = set(phrases.phrases_of(SPEC)) - set(EVERYTHING) - set(windows.names()) - {"days_since_began"}
    assert not [name for name in left if not name.startswith(families)]


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
    for phrase in (*map(phrase_of, EVERYTHING), *(phrase_of(name, forms.SPEC) for name in COURSE)):
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
    assert len(set(about.values())) < 30


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


# A second form

TOLD = [
    ("minutes_watched_sum_7d", 84.0, "watched 84 minutes in the last 7 days"),
    ("minutes_watched_sum_7d", 0.0, "no minutes watched in the last 7 days"),
    ("minutes_watched_sum_1d", 1.0, "watched 1 minute in the last day"),
    ("minutes_watched_max_28d", 30.5, "watched 30.5 minutes on the busiest day of the last 28 days"),
    ("minutes_watched_growth_1d_7d", 2.0, "minutes watched rose to 2× their 7-day rate in the last day"),
    ("minutes_watched_growth_7d_28d", 0.0, "no minutes watched in the last 7 days"),
    (
        "minutes_watched_per_active_day_7d",
        20.0,
        "watched 20 minutes on an average active day of the last 7 days",
    ),
    ("learning_quiz_sum_7d", 3.0, "3 quiz events in the last 7 days"),
    ("learning_quiz_sum_7d", 0.0, "no quiz events in the last 7 days"),
    ("learning_other_max_1d", 1.0, "1 other event in the last day"),
    ("learning_users_sum_1d", 2.0, "2 people were active in the last day"),
    ("learning_users_max_7d", 1.0, "1 person was active on the busiest day of the last 7 days"),
    ("learning_users_sum_7d", 9.0, "9 daily devices in the last 7 days, added up"),
    ("learning_users_sum_7d", 0.0, "nobody was active in the last 7 days"),
    ("most_users_7d", 2.0, "2 people were active on the busiest day of the last 7 days"),
    ("users_1d", 1.0, "1 device in the last day"),
    ("users_change_7d", 2.0, "2 more daily devices in the last 7 days than in the 7 before"),
    ("days_present_7d", 3.0, "usage recorded on 3 days of the last 7 days"),
    ("days_active_28d", 1.0, "active on 1 day of the last 28 days"),
    ("present_share_28d", 0.5, "usage recorded on 50% of its days in the last 28 days"),
    ("actions_7d", 12.0, "12 actions in the last 7 days"),
    ("actions_per_active_day_7d", 4.0, "4 actions on an average active day of the last 7 days"),
    ("actions_week_over_week", -1.0, "fewer actions in the last 7 days than in the 7 before"),
    ("objects_used_28d", 2.0, "2 of 3 kinds used in the last 28 days"),
    ("share_quiz_7d", 0.25, "25% of actions in the last 7 days are quiz events"),
    ("share_quiz_7d", 0.0, "no quiz events in the last 7 days"),
    ("days_since_began", 12.0, "signed up 12 days ago"),
    ("days_since_first_use_quiz", 3.0, "first quiz event 4 days ago"),
    ("days_since_first_use_quiz", NEVER_DAYS, "no quiz events so far"),
    ("actions_share_of_all_7d", 0.8, "80% of all actions so far came in the last 7 days"),
    ("age", 17.0, "age: 17 years"),
    ("age", None, "no age known"),
    ("age_missing", 1.0, "no age known"),
    ("age_missing", 0.0, "age known"),
    ("plan", 1.0, "plan: basic"),
    ("plan", None, "plan not known"),
    ("country", "united_kingdom", "country: united kingdom"),
    ("country", "missing", "country not known"),
    ("newsletter", 1.0, "newsletter: yes"),
    ("newsletter", 0.0, "newsletter: no"),
    ("class_size_number", 16.58, "about 17 pupils"),
    ("class_size", "11_to_25", "pupils: 11 to 25"),
    ("plan", 1.6, "plan: pro"),
    ("plan", 9.0, "plan: pro"),
    ("plan", -1.0, "plan: free"),
    ("actions_share_of_all_7d", 0.0, "no actions in the last 7 days"),
    (
        "minutes_watched_growth_7d_28d",
        0.5,
        "minutes watched fell to 0.5× their 28-day rate in the last 7 days",
    ),
    ("minutes_watched_growth_7d_28d", 1.0, "minutes watched in the last 7 days are at their 28-day rate"),
    ("days_since_first_use_quiz", 0.0, "first quiz event 1 day ago"),
    ("days_since_began", 0.0, "signed up today"),
    ("users_7d", 2.0, "2 daily devices in the last 7 days"),
]


@pytest.mark.parametrize(("feature", "value", "text"), TOLD)
def test_a_value_of_another_form_is_said_in_its_words(feature, value, text):
    assert feature in COURSE
    assert phrase_of(feature, forms.SPEC).say(value) == text


def test_every_feature_of_any_form_has_a_phrase_in_the_words_of_sales():
    for spec in (forms.SPEC, forms.BARE_SPEC):
        for name in spec.names():
            phrase = phrase_of(name, spec)
            assert phrase.say(1.0) != f"{name} is 1", name
            assert not re.search(
                r"_|\{|  |\bweekly?\b(?! before)", f"{phrase.statement} {phrase.say(2.5)}"
            ), name


@given(st.sampled_from([name for name in COURSE if name not in forms.SPEC.categories()]), FLOATS)
def test_any_number_of_another_form_makes_a_short_phrase(feature, value):
    text = phrase_of(feature, forms.SPEC).say(value)
    assert 0 < len(text) <= 110
    assert not re.search(r"\b(nan|inf|None)\b|\{|  |_", text)


def test_usage_and_a_sign_up_of_the_day_before_the_cutoff_were_both_one_day_ago():
    """The row of that day is complete at the cutoff, 0 days before; the sign-up lies a day back."""
    daily = replace(forms.SPEC, period=Period("day"))
    assert phrase_of("days_since_last_active", daily).say(0.0) == "last active 1 day ago"
    assert phrase_of("days_since_began", daily).say(1.0) == "signed up 1 day ago"
    fortnightly = replace(forms.SPEC, period=Period("week", 2))
    assert phrase_of("days_since_last_active", fortnightly).say(0.0) == "last active 1 to 14 days ago"


def test_a_month_is_told_as_a_month():
    said = {name: phrase_of(name, forms.BARE_SPEC).say(2.0) for name in forms.BARE_SPEC.names()}
    assert said["spent_sum_28d"] == "spent 2 euros in the last month"
    assert said["spent_max_89d"] == "spent 2 euros in the busiest month of the last 3 months"
    assert said["months_active_89d"] == "active in 2 months of the last 3 months"


def test_people_of_two_measures_are_said_to_be_added_up():
    twice = replace(forms.COURSE.measures[-1], name="chat_users", object="chat")
    spec = replace(forms.SPEC, form=replace(forms.COURSE, measures=(*forms.COURSE.measures, twice)))
    assert phrase_of("users_1d", spec).say(2.0) == "2 devices in the last day, all kinds added up"
    assert phrase_of("most_users_1d", spec).say(0.0) == "nobody used any kind in the last day"


def test_a_site_that_has_none_is_told_from_one_of_which_it_is_not_known():
    one = Attribute(
        "beds", "number", "beds", "beds", none=0.0, none_feature="no_beds", none_label="without beds"
    )
    said = attribute_phrases(one)
    assert [said["no_beds"].say(value) for value in (1.0, 0.0, None)] == [
        "without beds", "beds known", "no beds known"
    ]  # fmt: skip
    assert said["beds_missing"].say(0.0) == "beds known, or known to be none"


# A form whose every word is its own, by the month


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        # What each says of 1, 1.5, 0 and a blank; the last of these by its statement where it is not written.
        ("days_since_last_row", ("last seen 2 to 32 days ago", "last seen 2.5 to 32.5 days ago",
                                 "last seen 1 to 31 days ago")),
        ("loans_sum_89d", ("1 loan from the stacks in the last 3 months",
                           "1.5 loans from the stacks in the last 3 months",
                           "no loans from the stacks in the last 3 months",
                           "open stacks activity not known")),
        ("views_max_89d", ("1 view of e-books in the busiest month of the last 3 months",
                           "1.5 views of e-books in the busiest month of the last 3 months",
                           "no views of e-books in the last 3 months",
                           "e books activity not known")),
        ("views_max_28d", ("1 view of e-books in the last month",
                           "1.5 views of e-books in the last month",
                           "no views of e-books in the last month")),
        ("fees_sum_28d", ("paid 1 euro in fees in the last month",
                          "paid 1.5 euros in fees in the last month",
                          "no euros paid in fees in the last month",
                          "euros paid in fees not known")),
        ("borrowers_sum_28d", ("1 borrower used open stacks in the last month",
                               "1.5 borrowers used open stacks in the last month",
                               "nobody used open stacks in the last month",
                               "open stacks users not known")),
        ("viewers_sum_89d", ("1 monthly reader of e books in the last 3 months, added up",
                             "1.5 monthly readers of e books in the last 3 months, added up",
                             "nobody used e books in the last 3 months")),
        ("months_active_365d", ("active in 1 month of the last 12 months",
                                "active in 1.5 months of the last 12 months",
                                "not active in the last 12 months",
                                "months of usage not known")),
        ("actions_28d", ("1 use in the last month", "1.5 uses in the last month",
                         "no uses in the last month", "activity not known")),
        ("actions_month_over_month", ("more uses in the last month than in the month before",
                                      "more uses in the last month than in the month before",
                                      "as many uses in the last month as in the month before")),
        ("actions_per_user_89d", ("1 use per reader and month in the last 3 months",
                                  "1.5 uses per reader and month in the last 3 months",
                                  "no uses by readers in the last 3 months",
                                  "uses per reader not known")),
        ("users_28d", ("1 reader in the last month, all shelves added up",
                       "1.5 readers in the last month, all shelves added up",
                       "no readers in the last month")),
        ("users_59d", ("1 monthly reader in the last 2 months, all shelves added up",
                       "1.5 monthly readers in the last 2 months, all shelves added up",
                       "no readers in the last 2 months")),
        ("most_users_365d", ("1 borrower used one shelf in the busiest month of the last 12 months",
                             "1.5 borrowers used one shelf in the busiest month of the last 12 months",
                             "nobody used any shelf in the last 12 months")),
        ("users_growth_28d_89d", ("number of readers in the last month is at its 3-month rate",
                                  "number of readers rose to 1.5× its 3-month rate in the last month",
                                  "no readers in the last month",
                                  "readers compared with before not known")),
        ("users_change_89d", ("1 more monthly reader in the last 3 months than in the 3 months before",
                              "1.5 more monthly readers in the last 3 months than in the 3 months before",
                              "as many monthly readers in the last 3 months as in the 3 months before")),
        ("users_per_active_month_89d", ("1 reader in an average active month of the last 3 months",
                                        "1.5 readers in an average active month of the last 3 months",
                                        "no readers in the active months of the last 3 months")),
        ("objects_used_89d", ("1 of 2 shelves used in the last 3 months",
                              "1.5 of 2 shelves used in the last 3 months",
                              "no shelf used in the last 3 months", "mix of shelves not known")),
        ("object_entropy_89d", ("uses in the last 3 months spread as over 2 shelves",
                                "uses in the last 3 months spread as over 2 shelves",
                                "no more than one shelf used in the last 3 months")),
        ("share_e_books_89d", ("100% of uses in the last 3 months are of e-books",
                               "150% of uses in the last 3 months are of e-books",
                               "no views of e-books in the last 3 months")),
        ("fees_growth_89d_365d", ("euros paid in fees in the last 3 months are at their 12-month rate",
                                  "euros paid in fees rose to 1.5× their 12-month rate in the last 3 months",
                                  "no euros paid in fees in the last 3 months",
                                  "euros paid in fees compared with before not known")),
        (
            "fees_per_active_month_89d",
            ("paid 1 euro in fees in an average active month of the last 3 months",
             "paid 1.5 euros in fees in an average active month of the last 3 months",
             "no euros paid in fees in the last 3 months"),
        ),
        ("days_since_began", ("signed up 1 day ago", "signed up 1.5 days ago", "signed up today",
                              "time since sign-up not known")),
        ("actions_share_of_all_89d", ("100% of all uses so far came in the last 3 months",
                                      "150% of all uses so far came in the last 3 months",
                                      "no uses in the last 3 months",
                                      "activity compared with before not known")),
        ("days_since_first_use_open_stacks", ("first loan from the stacks 2 to 32 days ago",
                                              "first loan from the stacks 2.5 to 32.5 days ago",
                                              "first loan from the stacks 1 to 31 days ago",
                                              "time since first open stacks not known")),
        ("log_reach", ("reach about 10 miles", "reach about 32 miles", "reach about 1 mile",
                       "no reach known")),
        ("grade", ("grade: 1", "grade: 1.5", "grade: 0", "no grade known")),
        ("open", ("open on Sundays: yes", "open on Sundays: yes", "open on Sundays: no",
                  "open on Sundays not known")),
        ("open_missing", ("open on Sundays not known", "open on Sundays not known", "open on Sundays known")),
        ("no_floor", ("there is no floor and no lift", "there is no floor and no lift",
                      "there is a floor and no lift", "no floors known")),
        ("no_beds", ("no beds", "no beds", "beds known", "no beds known")),
        ("beds_missing", ("no beds known", "no beds known", "beds known, or known to be none")),
        ("size_number", ("size about 1", "size about 1.5", "size about 0", "size not known")),
    ],
)  # fmt: skip
def test_a_form_with_words_of_its_own_is_told_in_them_alone(feature: str, said: tuple[str, ...]) -> None:
    one = phrase_of(feature, forms.MONTHLY)
    assert tuple(map(one.say, (1.0, 1.5, 0.0, None)[: len(said)])) == said


def test_days_are_what_something_is_on_and_not_in() -> None:
    said = phrase_of("users_per_active_day_7d", forms.SPEC).say(0.0)
    assert said == "no devices on the active days of the last 7 days"


def test_what_never_was_is_said_so_of_each_beginning_and_end() -> None:
    said = {
        name: phrase_of(name, forms.MONTHLY).say(NEVER_DAYS)
        for name in forms.MONTHLY.names()
        if "since" in name
    }
    assert said == {
        "days_since_first_row": "never seen",
        "days_since_last_row": "never seen",
        "days_since_last_active": "never active",
        "days_since_began": "",
        "days_since_first_use_open_stacks": "no loans from the stacks so far",
        "days_since_first_use_e_books": "no views of e-books so far",
    }
    assert (
        phrase_of("days_since_last_row", forms.MONTHLY).say(NEVER_DAYS - 1)
        == "last seen 2,000 to 2,030 days ago"
    )


def test_what_fell_or_went_down_by_less_than_one_is_said_to_have() -> None:
    assert phrase_of("users_change_89d", forms.MONTHLY).say(0.5).startswith("0.5 more monthly readers")
    assert phrase_of("users_change_89d", forms.MONTHLY).say(-0.5).startswith("0.5 fewer monthly readers")
    fell = "activity fell to 0.9× its 3-month rate in the last month"
    assert phrase_of("actions_growth_28d_89d", forms.MONTHLY).say(0.9) == fell


# Everything that can be said

GOLDEN = Path(__file__).parent / "said"
WEEKS = replace(SPEC, windows_days=(1,))
MONTHS = replace(forms.BARE_SPEC, history="on")
FORMS = {"weeks": WEEKS, "days": forms.SPEC, "months": MONTHS}
VALUES = (None, 0.0, 1.0, 0.5, 12.0, -1.0, -2.5, NEVER_DAYS)
TEXTS = (None, "missing", "11_to_25", "united_kingdom", "x" * 99)


def everything_said(spec: FeatureSpec) -> list[str]:
    """Return what is said of every feature at a number of values, or of texts."""
    texts = category_names(spec.form.attributes)
    lines = []
    for feature in sorted({*spec.names(), *phrases.phrases_of(spec)}):
        phrase = phrases.phrase_of(feature, spec)
        said = [phrase.say(value) for value in (TEXTS if feature in texts else VALUES)]
        lines += [f"{feature} | {phrase.statement}", *(f"  {one}" for one in said)]
    return lines


def is_said(name: str) -> str:
    """Return all that is said of a form, as its file has it."""
    return "\n".join([*everything_said(FORMS[name]), ""])


@pytest.mark.parametrize("name", FORMS)
def test_everything_that_is_said_is_as_it_was_read_and_found_good(name):
    """After a change of words, run this file as a module, and read the lines that differ."""
    assert is_said(name) == (GOLDEN / f"{name}.txt").read_text("utf-8")


if __name__ == "__main__":
    for form in FORMS:
        (GOLDEN / f"{form}.txt").write_text(is_said(form), encoding="utf-8")
