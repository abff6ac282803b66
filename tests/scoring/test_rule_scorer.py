"""Lists by a simple rule: what each ranks by, and which there are."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.days import Period
from ml_sys.errors import UsageError
from ml_sys.form import Form, Measure, Noun
from ml_sys.scoring.rule_scorer import RuleScorer, possible
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
    assert possible(WATCHED) == ("actions", "amount", "recency", "newest")
    assert possible(default_form()) == ("actions", "users", "recency")
    with pytest.raises(UsageError, match="know no rule 'users'") as raised:
        RuleScorer.of("users", WATCHED, Period("day"))
    assert raised.value.hint == "name one of actions, amount, recency, newest"
    with pytest.raises(UsageError, match="know no rule 'luck'"):
        RuleScorer.of("luck", default_form(), Period())
