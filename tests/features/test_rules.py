"""Simple rules that a model is held against: which there are, which comes first, and whom each puts first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.days import Period
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.rules import (
    LAST,
    rule_names,
    rule_of_actions,
    rule_scores,
    rule_to_beat,
    signed_up_lately,
)
from ml_sys.features.windows import NEVER
from ml_sys.form import Noun
from ml_sys.settings.description import default_form
from tests.features import forms

DAY = 19_000
COURSE = (
    "most actions in 7 days",
    "most users in 7 days",
    "most minutes in 7 days",
    "newest",
    "most recently active",
)


def test_the_rules_are_those_that_the_measures_and_the_period_allow() -> None:
    assert rule_names(forms.COURSE, forms.DAILY) == COURSE
    assert rule_names(forms.BARE, Period("month")) == ("most euros in 28 days",)
    assert rule_names(default_form(), Period("week", 2)) == (
        "most actions in 30 days",
        "most users in 30 days",
    )


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (COURSE, "most users in 7 days"),
        ((COURSE[0], COURSE[2], *COURSE[3:]), "most minutes in 7 days"),
        ((COURSE[0], *COURSE[3:]), "most actions in 7 days"),
        (COURSE[3:], None),
        ((), None),
    ],
)
def test_the_rule_to_beat_is_by_users_else_by_an_amount_else_by_actions_and_by_no_day(
    names: tuple[str, ...], first: str | None
) -> None:
    assert rule_to_beat(names) == first
    assert rule_of_actions(names) == ("most actions in 7 days" if COURSE[0] in names else None)


def test_every_rule_counts_what_it_says_of_the_days_before_each_cutoff() -> None:
    # Lessons, quizzes, other events, minutes of three digits, people; days before DAY on which it happened.
    rows = [
        (0, 1, (1, 2, 4, 8_000, 3)),
        (0, 7, (10, 0, 0, 500, 1)),
        (0, 8, (100, 0, 0, 90_000, 50)),
        (1, 2, (0, 0, 0, 0, 9)),
        (1, 20, (5, 0, 0, 0, 0)),
        (2, 0, (7, 0, 0, 0, 0)),
    ]
    usage = (
        np.array([who for who, _, _ in rows], dtype=np.int32),
        np.array([DAY - 1 - ago for _, ago, _ in rows], dtype=np.int32),  # complete a day later
        np.array([values for _, _, values in rows], dtype=np.int64),
    )
    nothing = Attributes.of(forms.COURSE.attributes, [[None] * len(forms.COURSE.attributes)] * 3)
    since = np.array([DAY - 30, DAY - 3, NEVER_BEGAN], dtype=np.int32)
    inputs = FeatureInputs.of(usage, nothing, forms.SPEC, since)
    first, scores = rule_scores(inputs, np.array([DAY - 1, DAY], dtype=np.int32))
    assert first.tolist() == [[DAY - 8, DAY - 8], [DAY - 20, DAY - 20], [NEVER, DAY]]
    last = -1_000_000
    # At each cutoff in turn, student by student: a row counts from its day on, for seven days.
    assert {name: score.tolist() for name, score in scores.items()} == {
        "most actions in 7 days": [17, 7, 0, 0, 0, 7],
        "most users in 7 days": [4, 3, 9, 9, 0, 0],
        "most minutes in 7 days": [8.5, 8, 0, 0, 0, 0],
        "newest": [-29, -30, -2, -3, last, last],
        "most recently active": [0, -1, -19, -20, last, 0],
    }
    assert list(scores) == list(COURSE)


def test_rules_of_weeks_look_back_thirty_days() -> None:
    form = default_form()
    spec = FeatureSpec((7,), period=Period(stamp="end"))
    stamps = np.array([DAY - 30, DAY - 29], dtype=np.int32)
    values = np.tile(np.arange(1, 9, dtype=np.int32), (2, 1))
    nothing = Attributes.of(form.attributes, [[None] * len(form.attributes)])
    inputs = FeatureInputs.of((np.zeros(2, np.int32), stamps, values), nothing, spec)
    _, scores = rule_scores(inputs, np.array([DAY], dtype=np.int32))
    assert {name: score.tolist() for name, score in scores.items()} == {
        "most actions in 30 days": [1 + 2 + 3 + 4],
        "most users in 30 days": [5 + 6 + 7 + 8],
    }


def test_each_amount_is_a_rule_of_its_own() -> None:
    spent, *_ = forms.BARE.measures
    form = replace(forms.BARE, measures=(spent, replace(spent, name="lent", noun=Noun("loan", "loans"))))
    spec = replace(forms.BARE_SPEC, form=form)
    stamp = np.array([18_262], dtype=np.int32)  # January 2020
    inputs = FeatureInputs.of(
        (np.zeros(1, np.int32), stamp, np.array([[100, 250]])), Attributes.of((), [()]), spec
    )
    _, scores = rule_scores(inputs, np.array([18_293], dtype=np.int32))
    assert {name: score.tolist() for name, score in scores.items()} == {
        "most euros in 28 days": [1],
        "most loans in 28 days": [2.5],
    }


def test_who_began_in_the_seven_days_before_a_cutoff_signed_up_lately() -> None:
    scores = {"newest": np.array([-8, -7, -1, 0, LAST], dtype=np.float32)}
    assert signed_up_lately(scores).tolist() == [False, True, True, True, False]
    assert signed_up_lately({}) is None
