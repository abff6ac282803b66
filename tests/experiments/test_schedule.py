"""Which lists are made again, and on which days models are fitted."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.days import WEEKLY, Period
from ml_sys.errors import NotEnoughDataError
from ml_sys.experiments.schedule import Term, plan_terms
from ml_sys.timeline import Timeline
from tests.experiments.test_backtest import LATEST, SOURCE, WORLD
from tests.model import world as w


def planned(first: int | None, last: int | None, **changes: object) -> tuple[Term, ...]:
    asked = w.settings(backtest=changes)
    return plan_terms(SOURCE.timeline, asked.backtest, asked.panel.step_days, first=first, last=last)


def test_the_latest_lists_are_made_by_models_that_serve_four_weeks() -> None:
    terms = planned(None, None, lists=6)
    assert terms == (
        Term(LATEST - 35, (LATEST - 35, LATEST - 28, LATEST - 21, LATEST - 14)),
        Term(LATEST - 7, (LATEST - 7, LATEST)),
    )


def test_a_range_holds_its_last_day() -> None:
    assert planned(LATEST - 14, LATEST) == (Term(LATEST - 14, (LATEST - 14, LATEST - 7, LATEST)),)
    assert planned(LATEST - 14, LATEST - 1) == (Term(LATEST - 14, (LATEST - 14, LATEST - 7)),)


def test_retraining_before_each_list_makes_a_term_of_each() -> None:
    terms = planned(LATEST - 28, LATEST, every_days=14, retrain_days=14)
    assert terms == tuple(Term(cutoff, (cutoff,)) for cutoff in (LATEST - 28, LATEST - 14, LATEST))


def test_more_lists_than_history_begin_where_there_is_enough_to_learn_from() -> None:
    terms = planned(None, None, lists=500)
    first = terms[0].trained
    assert SOURCE.timeline.training_cutoffs(first, 28, 99).size == 6
    assert SOURCE.timeline.training_cutoffs(first - 7, 28, 99).size < 6
    assert terms[-1].cutoffs[-1] == LATEST


def test_a_cutoff_whose_outcome_is_not_known_is_refused_by_name() -> None:
    late = WORLD.as_of - w.HORIZON + 1
    assert planned(late - 1, late - 1) == (Term(late - 1, (late - 1,)),)
    with pytest.raises(NotEnoughDataError, match=f"{np.datetime64(late, 'D')} is not mature") as caught:
        planned(LATEST, late, every_days=late - LATEST)
    assert str(np.datetime64(LATEST, "D")) in caught.value.hint
    with pytest.raises(NotEnoughDataError, match=f"{np.datetime64(LATEST + 7, 'D')} is not mature"):
        planned(LATEST - 7, LATEST + 21)  # of several the first is named


def test_a_day_before_which_nothing_was_mature_is_refused_by_name() -> None:
    day = w.MONDAY + 21
    with pytest.raises(NotEnoughDataError, match=f"learn from by {np.datetime64(day, 'D')}") as caught:
        planned(day, LATEST)
    assert "--from" in caught.value.hint


def test_lists_of_months_are_dated_on_firsts_and_models_serve_until_the_month_they_are_made_again() -> None:
    ends = [int(one) for one in np.arange("2018-02", "2020-03", dtype="M8[M]").astype("M8[D]").astype(int)]
    months = Timeline(ends[0], ends[-1], ends[-1], 30, Period("month"))
    asked = w.settings(backtest={"lists": 5, "every_days": 28, "retrain_days": 56}).backtest
    *_, before, last = terms = plan_terms(months, asked, 28)
    assert [cutoff for term in terms for cutoff in term.cutoffs] == ends[-6:-1]
    assert (before, last) == (Term(ends[-4], tuple(ends[-4:-2])), Term(ends[-2], (ends[-2],)))
    assert plan_terms(months, asked, 28, first=ends[-6], last=ends[-2]) == terms


def test_an_empty_range_is_said_to_be_empty() -> None:
    with pytest.raises(NotEnoughDataError, match="no cutoff lies in the range"):
        planned(LATEST, LATEST - 1)


def test_a_last_day_without_a_first_one_ends_the_lists_and_a_first_one_begins_them() -> None:
    assert [term.cutoffs[-1] for term in planned(None, LATEST - 14, lists=2)] == [LATEST - 14]
    assert planned(None, LATEST - 14, lists=2)[0].trained == LATEST - 21
    from_then = planned(LATEST - 7, None)
    assert from_then == (Term(LATEST - 7, (LATEST - 7, LATEST)),)


@pytest.mark.parametrize(("lists", "weeks"), [(1, 1), (2, 1), (3, 1)])
def test_one_list_is_made_where_there_is_not_enough_to_learn_from_for_more(lists: int, weeks: int) -> None:
    # Four cutoffs a week apart are mature on the last day, fewer before: too little for a second list.
    timeline = Timeline.of(
        w.MONDAY + 7 * np.arange(10), w.MONDAY + 7 * 10 + 30, horizon_days=30, period=WEEKLY
    )
    asked = w.settings(backtest={"lists": lists})
    terms = plan_terms(timeline, asked.backtest, 7)
    assert [term.cutoffs for term in terms] == [(timeline.latest_mature(),)] * weeks
