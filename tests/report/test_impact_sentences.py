"""The sentence on top says what is known, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.outcomes.being_called import Called
from ml_sys.outcomes.effect import Complied
from ml_sys.outcomes.impact import Impact, ListOutcome
from ml_sys.outcomes.promised import ListPart
from ml_sys.report.impact_sentences import headline, per_hundred, reservations, state
from ml_sys.text import signed

NAN = float("nan")
OUTCOME = ListOutcome("a", "1.0.0", 18_000, 50, 2.0, 3, 300.0, 18_030, may_gain=False)
WAITS = replace(OUTCOME, cutoff=18_007, realised=None, money=None, matures_on=18_037)
EFFECT = Called(
    "lottery", 12, 50.0, 600, 600, 40, 15, 14.8, Estimate(2.1, -0.3, 4.6), Estimate(200.0, -50.0, 450.0),
    0.08, 9, None, (),
)  # fmt: skip
IMPACT = Impact(18_100, (OUTCOME, WAITS), 1, (), (), None, None, None, None, EFFECT, 0.95)


def saying(**changed) -> str:
    return headline(replace(IMPACT, effect=replace(EFFECT, **changed)))


def test_an_effect_that_is_not_settled_says_how_many_more_weeks_would():
    assert headline(IMPACT) == (
        "Being called made 2.1 more of 50 pay per week (−0.3 to 4.6); 9 more weeks would settle it."
    )


@pytest.mark.parametrize(
    ("changed", "end"),
    [
        ({"extra": Estimate(2.1, 0.4, 3.8), "more_lists": 0}, "(0.4 to 3.8); that is more than luck."),
        ({"more_lists": 1}, "(−0.3 to 4.6); 1 more week would settle it."),
        ({"more_lists": None}, "at this rate it would take too long to settle."),
    ],
)
def test_what_is_settled_and_what_never_will_be_is_said(changed, end):
    assert saying(**changed).endswith(end)


def test_fewer_and_no_more_are_said_as_such():
    assert "made 1.2 fewer of 50 pay" in saying(extra=Estimate(-1.2, -3.0, 0.6))
    assert "made no more of 50 pay" in saying(extra=Estimate(0.01, -2.0, 2.0))


def test_lists_that_do_not_come_weekly_are_counted_one_by_one():
    apart = (OUTCOME, replace(WAITS, cutoff=18_030))
    assert headline(replace(IMPACT, lists=apart)).endswith(
        "pay per list (−0.3 to 4.6); 9 more lists would settle it."
    )


def test_nothing_is_claimed_before_anybody_paid_or_any_list_is_mature():
    assert "not known" in saying(extra=Estimate(0.0, NAN, NAN))
    assert headline(replace(IMPACT, lists=(WAITS,), effect=None)) == (
        "1 list waits for its outcome; the first is known when the data reach 2019-05-21."
    )


def test_without_an_experiment_only_what_came_is_told():
    called = ListPart(50, 2.0, 3, Estimate(0.06, 0.02, 0.16), 0.5, 20.0, 300.0)
    assert headline(replace(IMPACT, effect=None, called=called)) == (
        "Of 50 calls on 1 list 3 paid within the horizon; "
        "lists without an experiment cannot say what a call adds."
    )


def test_a_company_that_is_called_from_list_after_list_is_counted_once():
    called = ListPart(50, 2.0, 3, Estimate(0.06, 0.02, 0.16), 0.5, 20.0, 300.0)
    both = replace(IMPACT, lists=(OUTCOME, OUTCOME), effect=None, called=called)
    assert headline(both).startswith("Of 50 calls on 1 of 2 lists, whose windows do not overlap, 3 paid")


def test_few_conversions_are_a_reservation():
    few = reservations(replace(IMPACT, effect=replace(EFFECT, waited_paid=4)))
    assert "the interval is not reliable" in few[0]
    assert not any("reliable" in one for one in reservations(IMPACT))


def test_calls_not_made_and_calls_made_nevertheless_are_said():
    complied = Complied(0.8, 0.02, Estimate(0.021, -0.004, 0.046))
    said = reservations(replace(IMPACT, effect=replace(EFFECT, complied=complied)))[-1]
    assert said == (
        "80% of the calls drawn were made, and 2% of those left waiting were called as well; calls made "
        "brought 2.1 conversions per hundred (−0.4 to 4.6)."
    )


def test_a_list_says_how_far_its_outcome_is_known():
    assert state(OUTCOME) == "known"
    assert state(WAITS) == "waits until 2019-05-21"
    assert "late" in state(replace(OUTCOME, may_gain=True))


def lists(*cutoffs: int, realised: int | None = None) -> tuple[ListOutcome, ...]:
    return tuple(replace(OUTCOME, cutoff=one, matures_on=one + 30, realised=realised) for one in cutoffs)


def test_the_first_of_those_that_wait_is_the_one_told_of():
    waiting = replace(IMPACT, lists=lists(18_000, 17_990, 18_007), effect=None)
    assert headline(waiting) == (
        "3 lists wait for their outcome; the first is known when the data reach 2019-05-04."
    )


def test_a_list_on_which_nobody_paid_has_its_outcome():
    nobody = lists(18_000, realised=0)
    assert state(nobody[0]) == "known"
    called = ListPart(50, 2.0, 0, Estimate(0.0, 0.0, 0.1), 0.5, 20.0, 0.0)
    for part, said in ((called, "Of 50 calls on 1 list 0 paid"), (None, "1 list has its outcome;")):
        assert headline(replace(IMPACT, lists=nobody, effect=None, called=part)).startswith(said)


@pytest.mark.parametrize(
    ("cutoffs", "each"),
    [
        ((0,), "per list"),
        ((0, 7), "per week"),
        ((0, 7, 14, 28), "per week"),
        ((0, 7, 21), "per list"),
        ((0, 0, 0, 7), "per week"),
        ((14, 0, 7), "per week"),
    ],
)
def test_lists_come_weekly_where_most_of_their_days_are_a_week_apart(cutoffs, each):
    found = headline(replace(IMPACT, lists=lists(*(18_000 + one for one in cutoffs), realised=1)))
    assert f"of 50 pay {each} (" in found


def test_nothing_is_reserved_of_what_is_not_known():
    assert reservations(replace(IMPACT, effect=replace(EFFECT, extra=Estimate(0.0, NAN, NAN)))) == ()
    assert reservations(replace(IMPACT, effect=None)) == ()
    assert per_hundred(Estimate(NAN, NAN, NAN)) == "what is not known"
    assert per_hundred(Estimate(0.02, NAN, NAN)) == "2.0 conversions per hundred (– to –)"


def test_a_little_less_than_nothing_has_no_sign():
    assert [signed(one) for one in (-0.04, 0.04, -0.06, 0.0)] == ["0.0", "0.0", "−0.1", "0.0"]
