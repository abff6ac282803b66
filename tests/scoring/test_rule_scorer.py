"""Lists by a simple rule: what each ranks by, and which there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.days import Period
from ml_sys.errors import UsageError
from ml_sys.form import Form, Measure, Noun
from ml_sys.scoring.rule_scorer import BY_A_MODEL, RuleScorer, possible_rules, without_probabilities
from ml_sys.scoring.scored_list import ScoredList
from ml_sys.settings.description import default_form

CLICKS = Measure("clicks", "actions", "page", Noun("click", "clicks"))
MINUTES = Measure("minutes", "amount", "video", Noun("minute", "minutes"), verb="watched", digits=3)
WATCHED = Form(measures=(CLICKS, MINUTES), has_since=True)


def test_a_rule_sums_the_measures_of_its_role_over_its_window():
    scorer = RuleScorer.of("users", default_form(), Period())
    assert scorer.name == "most users in 30 days"
    names = scorer.spec.names()
    assert names == [
        f"users_{one}_sum_30d" for one in ("crm_contacts", "crm_companies", "crm_deals", "email")
    ]
    columns = {name: np.array([at, 1], dtype=np.float32) for at, name in enumerate(names)}
    assert scorer.probabilities(scorer.rows(columns)).tolist() == [6.0, 4.0]
    assert scorer.probability(scorer.row([1, None, 2, 3])) == 6.0


@pytest.mark.parametrize(
    ("rule", "name", "feature"),
    [
        ("amount", "most minutes in 7 days", "minutes_sum_7d"),
        ("recency", "most recently active", "days_since_last_active"),
        ("newest", "newest", "days_since_began"),
    ],
)
def test_tables_with_amounts_and_sign_ups_have_rules_of_them(rule, name, feature):
    scorer = RuleScorer.of(rule, WATCHED, Period("day"))
    assert (scorer.name, scorer.spec.names()) == (name, [feature])


def test_what_was_lately_comes_first():
    scorer = RuleScorer.of("recency", default_form(), Period())
    ranked = scorer.probabilities(np.array([[3.0], [10.0]], dtype=np.float32))
    assert ranked[0] > ranked[1]


def test_a_rule_that_tables_do_not_allow_is_refused_with_those_they_do():
    assert possible_rules(WATCHED) == ("actions", "amount", "recency", "newest")
    assert possible_rules(default_form()) == ("actions", "users", "recency")
    with pytest.raises(UsageError, match="do not allow the rule 'users'") as raised:
        RuleScorer.of("users", WATCHED, Period("day"))
    assert raised.value.hint == "choose one of actions, amount, recency, newest"
    with pytest.raises(UsageError, match="do not allow the rule 'luck'"):
        RuleScorer.of("luck", default_form(), Period())


def test_of_whom_nobody_knows_when_they_began_they_are_not_the_newest():
    scorer = RuleScorer.of("newest", WATCHED, Period("day"))
    ranked = scorer.probabilities(np.array([[np.nan], [0.0], [4000.0]], dtype=np.float32))
    assert np.argsort(-ranked, kind="stable").tolist() == [1, 2, 0]
    listed = pd.DataFrame({"id": ["new", "old", "unknown"], "probability": ranked[[1, 2, 0]]})
    scored = ScoredList(listed, np.arange(3), ("noted",), (), pa.table({}))
    told = without_probabilities(scored, scorer)
    np.testing.assert_array_equal(told.table["rule_score"], [0, 4000, np.nan])
    assert not np.signbit(told.table["rule_score"][0])
    assert told.notes == (
        "a list by the rule newest, without a model: it ranks, and promises nothing",
        "noted",
    )
    assert told.table["probability"].isna().all()
    assert set(told.table["tier"]) == set(told.table["will_convert"]) == {""}


def test_sums_of_a_rule_are_told_as_they_are_and_promise_nothing():
    scorer = RuleScorer.of("actions", default_form(), Period())
    ranked = scorer.probabilities(np.array([[2**24, 1, 1, 1], [np.nan] * 4], dtype=np.float32))
    assert ranked.tolist() == [2**24 + 3, 0]
    assert set(scorer.tiers.of(ranked)) == {"C"}
    assert not (ranked >= scorer.threshold).any()
    scored = ScoredList(pd.DataFrame({"probability": ranked}), np.arange(2), (), (), pa.table({}))
    assert without_probabilities(scored, scorer).table["rule_score"].tolist() == [2**24 + 3, 0]


def test_several_amounts_are_one_rule_and_a_rule_is_found_by_its_whole_name():
    fees = Measure("fees", "amount", "fees", Noun("euro", "euros"), digits=2)
    form = Form(measures=(CLICKS, MINUTES, fees), has_since=True)
    scorer = RuleScorer.of("amount", form, Period("month"))
    assert scorer.name == "most minutes and euros in 28 days"
    assert scorer.spec.names() == ["minutes_sum_28d", "fees_sum_28d"]
    for rule in possible_rules(form):
        one = RuleScorer.of(rule, form, Period("month"))
        assert RuleScorer.named(one.name, form, Period("month")) == one
    with pytest.raises(UsageError, match="allow the rule 'most clicks in 28 days', which is in production"):
        RuleScorer.named("most clicks in 28 days", form, Period("month"))
    with pytest.raises(UsageError, match="do not allow the rule 'most actions in 7 days'") as raised:
        RuleScorer.named("most actions in 7 days", form, Period("month"))
    assert raised.value.hint == "choose another with mlsys promote --rule actions"


def test_of_a_row_alone_a_blank_is_no_zero():
    newest = RuleScorer.of("newest", WATCHED, Period("day"))
    assert newest.probability(newest.row([None])) < newest.probability(newest.row([9000.0]))
    assert newest.probability(newest.row([0.0])) == 0


def test_what_a_list_by_a_rule_holds_is_told_whole():
    scorer = RuleScorer.of("users", default_form(), Period())
    filled = {name: ["x", "y"] for name in (*BY_A_MODEL, "model_version")}
    listed = pd.DataFrame({"id": ["a", "b"], **filled, "probability": [3.0, 0.0], "rank": [1, 2]})
    told = without_probabilities(ScoredList(listed, np.arange(2), (), (), pa.table({})), scorer)
    expected = listed.assign(
        **{name: ["", ""] for name in BY_A_MODEL} | {"probability": [np.nan, np.nan]},
        model_version=["rule: most users in 30 days"] * 2,
        rule_score=[3.0, 0.0],
    )
    pd.testing.assert_frame_equal(told.table, expected)
    assert told.notes == (
        f"a list by the rule {scorer.name}, without a model: it ranks, and promises nothing",
    )
