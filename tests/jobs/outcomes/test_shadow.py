"""Lists that are made again from a snapshot: the free companies of their days, and what came of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data import snapshot as snapshots
from ml_sys.days import WEEKLY
from ml_sys.jobs.outcomes.observed import features_of, prospects_of
from ml_sys.jobs.outcomes.shadow import MadeAgain, Shadow, made_again, matured_cutoffs
from ml_sys.metrics.list_averages import paired_lists
from ml_sys.metrics.ranking import Outcomes
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.scoring.rule_scorer import RuleScorer
from ml_sys.settings.evaluation import BootstrapSettings
from ml_sys.timeline import Timeline
from tests.model import world as w
from tests.scoring.from_snapshot.test_by_part import CUTOFF, stored_in

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


BOOTSTRAP = BootstrapSettings(resamples=40)


def shadow_of(snapshot, cutoffs: np.ndarray, capacity: int = 40) -> tuple[Shadow, np.ndarray]:
    """A rule in production, and what it scores today."""
    rule = RuleScorer.of("users", snapshot.form, WEEKLY)
    today = prospects_of(snapshot, snapshot.as_of)
    probability = np.linspace(0.9, 0.1, len(today.frame))
    past = made_again(snapshot, rule, cutoffs, w.HORIZON)
    return Shadow(snapshot, snapshot.as_of, today, probability, past, w.HORIZON, capacity), probability


def test_a_challenger_is_held_against_production_on_the_lists_that_neither_has_learnt_from(
    snapshot, registered
) -> None:
    registry = Registry(registered)
    theirs = load_scorer(registry, "1.0.0")
    cutoffs = snapshot.as_of - w.HORIZON - np.array([28, 14, 7, 0], dtype=np.int32)
    shadow, _ = shadow_of(snapshot, cutoffs)
    found = shadow.challenge(registry, "1.0.0", int(cutoffs[1]), BOOTSTRAP, 5)
    champion = shadow.past.outcomes.take(shadow.past.outcomes.cutoff >= cutoffs[1])
    other = made_again(snapshot, theirs, cutoffs[1:], w.HORIZON).outcomes
    held = paired_lists(other, champion, resamples=40, confidence=BOOTSTRAP.confidence, seed=5)
    expected = held["average_precision"]
    assert (found.lists, found.capacity, found.problem) == (3, 40, "")
    # Who converts on two lists that overlap is counted once.
    assert found.converters == np.unique(champion.company[champion.label]).size < champion.label.sum()
    assert (found.average_precision, found.production) == (expected.challenger, expected.champion)
    assert found.average_precision != found.production
    assert found.probability_better == expected.probability_better != 0.5


def test_what_both_would_call_are_the_first_of_their_lists(snapshot, registered) -> None:
    registry = Registry(registered)
    theirs = load_scorer(registry, "1.0.0")
    shadow, ours = shadow_of(snapshot, np.empty(0, dtype=np.int32), capacity=200)
    found = shadow.challenge(registry, "1.0.0", 0, BOOTSTRAP, 5)
    features = features_of(shadow.prospects, snapshot, snapshot.as_of, theirs.spec)
    probability = theirs.probabilities(theirs.rows(features))
    last = np.sort(probability)[-200]
    first = np.flatnonzero(probability[:200] >= last)  # ours rank in the order of the table
    assert 0 < found.shared <= first.size < 200
    assert found.shared >= np.count_nonzero(probability[:200] > last)
    assert (found.lists, found.converters) == (0, 0)
    assert np.isnan(found.production)
    assert ours[0] > ours[-1]


def test_one_converter_is_enough_to_compare_and_none_is_not(snapshot, registered) -> None:
    cutoff = snapshot.as_of - w.HORIZON
    within = np.flatnonzero((snapshot.closed >= cutoff) & (snapshot.closed < cutoff + w.HORIZON))
    for left in (0, 1):
        closed = snapshot.closed.copy()
        closed[within[left:]] = cutoff + w.HORIZON
        shadow, _ = shadow_of(replace(snapshot, closed=closed), np.array([cutoff], dtype=np.int32))
        found = shadow.challenge(Registry(registered), "1.0.0", cutoff, BOOTSTRAP, 5)
        assert (found.lists, found.converters) == (1, left)
        assert np.isnan(found.average_precision) == (left == 0)


def test_a_version_that_cannot_be_loaded_is_said(snapshot, registered) -> None:
    shadow, _ = shadow_of(snapshot, np.empty(0, dtype=np.int32))
    found = shadow.challenge(Registry(registered), "9.9.9", 0, BOOTSTRAP, 5)
    assert "9.9.9" in found.problem
    assert (found.version, found.capacity, found.shared) == ("9.9.9", 40, 0)


def test_past_lists_are_the_same_in_however_many_parts_the_snapshot_is(tmp_path: Path) -> None:
    stored = stored_in(tmp_path)
    whole = snapshots.load(stored[1].path)
    rule, cutoffs = RuleScorer.of("actions", whole.form, WEEKLY), np.int32([CUTOFF - 14, CUTOFF - 7])
    expected, *others = (made_again(data, rule, cutoffs, 30).outcomes for data in (whole, *stored.values()))
    assert np.unique(expected.cutoff).tolist() == cutoffs.tolist()
    for found in others:
        for name in ("score", "label", "company", "cutoff"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
