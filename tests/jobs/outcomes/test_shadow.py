"""Lists that are made again from a snapshot: the free companies of their days, and what came of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_sys.days import WEEKLY
from ml_sys.jobs.outcomes.shadow import MadeAgain, made_again, matured_cutoffs
from ml_sys.metrics.ranking import Outcomes
from ml_sys.scoring.rule_scorer import RuleScorer
from ml_sys.timeline import Timeline
from tests.model import world as w

WORLD = w.small_world()
SCORER = RuleScorer.of("actions", WORLD.form, WEEKLY)
CUTOFFS = np.array([w.CUTOFF - 35, w.CUTOFF], dtype=np.int32)


def test_a_list_made_again_holds_nobody_who_did_not_exist_for_a_day() -> None:
    since = WORLD.since.copy()
    late = np.flatnonzero(WORLD.closed >= w.CUTOFF)[:20]
    since[late[:10]], since[late[10:]] = w.CUTOFF, w.CUTOFF - 1
    everyone, some = (
        made_again(one, SCORER, CUTOFFS[1:], w.HORIZON).outcomes
        for one in (WORLD, replace(WORLD, since=since))
    )
    assert set(everyone.company.tolist()) - set(some.company.tolist()) == set(late[:10].tolist())
    assert some.score.size == some.label.size == some.company.size == everyone.company.size - 10
    kept = np.isin(everyone.company, some.company)
    np.testing.assert_array_equal(some.score, everyone.score[kept])
    np.testing.assert_array_equal(some.label, everyone.label[kept])


def test_a_list_made_again_holds_who_is_free_on_its_day_and_who_converts_within_the_horizon() -> None:
    again = made_again(WORLD, SCORER, CUTOFFS, w.HORIZON)
    for cutoff in CUTOFFS.tolist():
        rows = again.outcomes.cutoff == cutoff
        company = again.outcomes.company[rows]
        np.testing.assert_array_equal(company, np.flatnonzero(WORLD.closed >= cutoff))
        probability, converted = again.of(cutoff)
        np.testing.assert_array_equal(converted, WORLD.closed[company] < cutoff + w.HORIZON)
        assert probability.size == company.size


def test_lists_of_which_the_version_has_learnt_nothing_begin_on_the_day_on_which_its_data_end() -> None:
    stamps = np.array([w.MONDAY, w.MONDAY + 7 * 40], dtype=np.int32)
    timeline = Timeline.of(stamps, w.MONDAY + 7 * 41, horizon_days=30, period=WEEKLY)
    every = matured_cutoffs(timeline, 0, 4)
    assert np.diff(every).tolist() == [35, 35, 35]
    assert every[-1] == timeline.latest_mature()
    for learnt_until, left in ((every[1], 3), (every[1] + 1, 2), (every[-1] + 1, 0)):
        assert matured_cutoffs(timeline, int(learnt_until), 4).tolist() == every[4 - left :].tolist()


def test_without_a_list_nothing_is_made_again() -> None:
    none = made_again(WORLD, SCORER, CUTOFFS[:0], w.HORIZON)
    assert none.outcomes.score.size == 0
    assert [one.size for one in none.of(w.CUTOFF)] == [0, 0]


@pytest.mark.parametrize(("cutoff", "rows"), [(7, [0, 1]), (14, [2])])
def test_one_list_is_the_rows_of_its_day(cutoff: int, rows: list[int]) -> None:
    days = np.array([7, 7, 14], dtype=np.int32)
    made = MadeAgain(Outcomes(np.array([0.1, 0.2, 0.3]), np.array([True, False, True]), days, days))
    score, label = made.of(cutoff)
    assert score.tolist() == [[0.1, 0.2, 0.3][at] for at in rows]
    assert label.tolist() == [[True, False, True][at] for at in rows]
