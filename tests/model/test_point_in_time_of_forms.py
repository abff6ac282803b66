"""What a model of another form depends on, with sign-ups and amounts: bit for bit nothing that came later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot
from ml_sys.features.sampling import count_rows, labels
from ml_sys.model.split import Source, rolling, training_part
from ml_sys.settings import Settings
from tests.model import course as c
from tests.model import world as w

WORLD, SETTINGS = c.course_world(), c.settings()
SAMPLED = c.settings(panel={"step_days": 7, "max_cutoffs": 15, "max_rows": 700, "negatives_per_positive": 5})
FEW = settings(max_examples=2, deadline=None, phases=[Phase.reuse, Phase.generate])
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def before() -> tuple[w.Fingerprint, np.ndarray, np.ndarray]:
    return w.fitted_at(WORLD, c.CUTOFF, SETTINGS)


def unchanged(before: tuple, changed: Snapshot, asked: Settings = SETTINGS) -> None:
    fitted, probability, features = w.fitted_at(changed, c.CUTOFF, asked)
    assert fitted == before[0]
    np.testing.assert_array_equal(features[: c.STUDENTS], before[2])
    np.testing.assert_array_equal(probability[: c.STUDENTS], before[1])
    assert np.isnan(probability[c.STUDENTS :]).all()


def test_the_model_has_learnt_something(before: tuple) -> None:
    assert np.unique(before[1][~np.isnan(before[1])]).size > 50


@FEW
@given(seed=seeds)
def test_later_usage_and_another_order_of_rows_change_nothing(before: tuple, seed: int) -> None:
    unchanged(before, c.with_later_usage(WORLD, c.CUTOFF, np.random.default_rng(seed)))


@FEW
@given(seed=seeds)
def test_those_who_sign_up_later_change_nothing(before: tuple, seed: int) -> None:
    unchanged(before, c.with_newcomers(WORLD, c.CUTOFF, np.random.default_rng(seed)))


@FEW
@given(seed=seeds)
def test_later_purchases_and_any_money_change_nothing(before: tuple, seed: int) -> None:
    rng = np.random.default_rng(seed)
    closed = WORLD.closed.copy()
    later = (closed >= c.CUTOFF) & (rng.random(closed.size) < 0.5)
    closed[later] = rng.choice([NEVER_CLOSED, *range(c.CUTOFF, c.CUTOFF + 40)], int(later.sum()))
    money = rng.normal(0, 1e6, c.STUDENTS)
    companies = WORLD.companies.assign(**{WORLD.companies.columns[-1]: money})
    unchanged(before, replace(WORLD, closed=closed.astype(np.int32), companies=companies))


@FEW
@given(seed=seeds)
def test_other_ids_in_another_order_change_nothing(before: tuple, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(c.STUDENTS)
    unchanged((before[0], before[1][order], before[2][order]), c.renumbered(WORLD, order))


def test_a_model_of_a_sampled_panel_depends_on_neither_ids_nor_order_nor_what_comes_later() -> None:
    rng = np.random.default_rng(7)
    fitted = w.fitted_at(WORLD, c.CUTOFF, SAMPLED)
    source = Source.of(WORLD, SAMPLED)
    part = training_part(source, c.CUTOFF, source.spec(SAMPLED), SAMPLED.panel, SAMPLED.seed)
    assert part.train.weight is not None
    order = rng.permutation(c.STUDENTS)
    changed = c.with_newcomers(c.renumbered(c.with_later_usage(WORLD, c.CUTOFF, rng), order), c.CUTOFF, rng)
    unchanged((fitted[0], fitted[1][order], fitted[2][order]), changed, asked=SAMPLED)


def test_usage_complete_by_the_cutoff_does_change_probabilities(before: tuple) -> None:
    values = WORLD.usage_values.copy()
    values[WORLD.usage_stamp == c.CUTOFF - 1] += 5
    assert not np.array_equal(
        w.fitted_at(replace(WORLD, usage_values=values), c.CUTOFF, SETTINGS)[1], before[1]
    )


# Who is in the panel


def test_a_student_is_in_the_panel_from_the_day_after_sign_up_until_the_purchase() -> None:
    source = Source.of(WORLD, SETTINGS)
    cutoffs = np.arange(c.FIRST + 1, c.FIRST + 120, dtype=np.int32)
    panel = rolling(source, cutoffs, source.spec(SETTINGS))
    since, closed = WORLD.since[panel.company], WORLD.closed[panel.company]
    assert (since < panel.cutoff).all()
    assert (closed >= panel.cutoff).all()
    there = (WORLD.since[:, None] < cutoffs) & (WORLD.closed[:, None] >= cutoffs)
    assert len(panel) == there.sum()
    on_first_day = np.flatnonzero(WORLD.closed == WORLD.since)
    assert on_first_day.size
    assert not np.isin(panel.company, on_first_day).any()


def test_rows_are_counted_as_they_are_laid_out() -> None:
    cutoffs = np.arange(c.FIRST + 3, c.FIRST + 180, 7, dtype=np.int32)
    prospect, label = labels(WORLD.closed, cutoffs, c.HORIZON, WORLD.since)
    assert count_rows(WORLD.closed, cutoffs, c.HORIZON, WORLD.since) == (prospect.sum(), label.sum())
    assert label.sum() > 20


def test_the_newest_and_the_most_recently_active_come_first_by_their_rules() -> None:
    source = Source.of(WORLD, SETTINGS)
    cutoff = np.array([c.CUTOFF], dtype=np.int32)
    panel = rolling(source, cutoff, source.spec(SETTINGS))
    assert list(panel.rules) == [
        *("most actions in 7 days", "most users in 7 days", "most minutes in 7 days"),
        *("newest", "most recently active"),
    ]
    newest = panel.company[np.argmax(panel.rules["newest"])]
    there = WORLD.since < c.CUTOFF
    free = there & (WORLD.closed >= c.CUTOFF)
    assert WORLD.since[newest] == WORLD.since[free].max()
    active = WORLD.usage_stamp + 1
    last = max(
        int(active[(WORLD.usage_company == one) & (active <= c.CUTOFF)].max(initial=0))
        for one in np.flatnonzero(free)
    )
    best = panel.company[np.argmax(panel.rules["most recently active"])]
    assert active[(WORLD.usage_company == best) & (active <= c.CUTOFF)].max() == last
