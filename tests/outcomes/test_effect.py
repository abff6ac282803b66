"""What calling does is found where it is known, and an interval says how sure that is."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.outcomes.effect import (
    Trial,
    chance_of_as_much,
    effect_of_calls_made,
    extra_per_list,
    more_lists,
    running,
)
from ml_sys.outcomes.lottery import Design, inclusion_probabilities, pivotal
from tests.bench.impact import SCENARIOS, judged, world


def trial_of(called, paid, inclusion=0.5, lists=1, **others) -> Trial:
    size = len(called)
    rows = {
        "week": np.arange(size) * lists // size,
        "company": np.arange(size),
        "probability": np.zeros(size),
        "inclusion": np.full(size, inclusion),
    }
    return Trial(
        **{**rows, **others}, called=np.array(called, bool), outcome=np.array(paid, float), lists=lists
    )


def large_trial(effect: float, seed: int = 0, lists: int = 200) -> Trial:
    rng = np.random.default_rng(seed)
    chance = np.tile(inclusion_probabilities(999, Design("lottery", 10, 7, 30)), (lists, 1))
    called = pivotal(chance, rng.random(chance.shape))
    probability = rng.uniform(0.05, 0.3, chance.shape)
    paid = rng.random(chance.shape) < probability * np.where(called, 1 + effect, 1)
    week = np.repeat(np.arange(lists), chance.shape[1])
    company = rng.integers(lists * 5, size=week.size)
    return Trial(
        week, company, probability.ravel(), chance.ravel(), called.ravel(), paid.ravel().astype(float), lists
    )


def test_by_hand_a_called_company_counts_once_and_a_waiting_one_by_its_odds():
    # Three of four called paid, one of two that wait at odds of 2 to 1: 3 − 2 × 1 over 2 lists.
    found = extra_per_list(trial_of([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0], inclusion=2 / 3, lists=2), 0.95)
    assert found.value == pytest.approx((3 - 2 * 1) / 2)
    # The squares of 1, 1, 1, 0, −2, 0 sum to 7, their fourth powers to 19: t with 2 · 49 / 19 degrees.
    assert found.high - found.value == pytest.approx(2.5471 * np.sqrt(7) / 2, rel=1e-3)


def test_over_all_draws_the_mean_is_the_effect_of_the_calls_by_lot():
    rng, draws, companies = np.random.default_rng(5), 4000, 12
    chance = inclusion_probabilities(companies, Design("lottery", 6, 7, 30))
    without = rng.random(companies) < 0.4
    with_call = without | (rng.random(companies) < 0.5)
    called = pivotal(chance, rng.random((draws, companies)))
    found = [
        extra_per_list(
            trial_of(one, np.where(one, with_call, without), chance, probability=np.full(companies, 0.4)),
            0.95,
        ).value
        for one in called
    ]  # fmt: skip
    truth = (chance * (with_call.astype(float) - without)).sum()
    assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / np.sqrt(draws))


def test_an_effect_and_its_interval_agree_with_a_clustered_regression_by_weight():
    trial = large_trial(0.5)
    found = extra_per_list(trial, 0.95)
    weight = np.where(trial.called, 1.0, trial.inclusion / (1 - trial.inclusion))
    regressors = np.column_stack([np.ones(len(trial)), trial.called, trial.probability - 0.175])
    fitted = sm.WLS(trial.outcome, regressors, weights=weight).fit(
        cov_type="cluster", cov_kwds={"groups": trial.company}
    )
    calls = trial.called.sum() / trial.lists
    assert found.value == pytest.approx(calls * fitted.params[1], rel=0.05)
    assert (found.high - found.low) == pytest.approx(calls * 2 * 1.96 * fitted.bse[1], rel=0.1)


def test_rows_of_one_company_are_no_independent_witnesses():
    apart = trial_of([1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0])
    together = replace(apart, company=np.array([0, 0, 0, 1, 1, 1]))
    wide, narrow = extra_per_list(together, 0.95), extra_per_list(apart, 0.95)
    assert wide.high - wide.low > narrow.high - narrow.low


def test_as_long_as_nobody_has_paid_nothing_is_claimed():
    found = extra_per_list(trial_of([1, 0], [0, 0]), 0.95)
    assert found.value == 0
    assert np.isnan(found.low)
    assert chance_of_as_much(trial_of([1, 0], [0, 0]), by_company=False, redraws=99, seed=1) == 1


def test_after_the_last_list_the_running_estimate_is_the_estimate():
    trial = large_trial(0.5, lists=6)
    after = running(trial, 0.95)
    assert len(after) == 6
    assert after[-1] == extra_per_list(trial, 0.95)
    assert after[2] == extra_per_list(trial.first(3), 0.95)


@pytest.mark.parametrize("by_company", [False, True])
def test_the_draw_itself_rarely_shows_as_much_as_a_large_effect_and_often_as_much_as_none(by_company):
    def chance(effect: float) -> float:
        return chance_of_as_much(large_trial(effect), by_company=by_company, redraws=400, seed=1)

    assert chance(1.0) < 0.01
    assert chance(0.0) > 0.05


def test_two_draws_of_four_show_as_much_as_the_only_payer_being_called():
    # One of two is called and pays. Drawn again, it is called or waits: the difference stays as large.
    assert chance_of_as_much(trial_of([1, 0], [1, 0]), by_company=False, redraws=999, seed=1) == 1


def test_calls_not_made_leave_the_effect_of_those_that_were():
    trial = large_trial(1.0, lists=400)
    rng = np.random.default_rng(2)
    made = trial.called & (rng.random(len(trial)) < 0.8)
    found = effect_of_calls_made(trial, made, 0.95)
    assert found.made == pytest.approx(0.8, abs=0.02)
    assert found.strayed == 0
    per_drawn = extra_per_list(trial, 0.95).value / (trial.called.sum() / trial.lists)
    assert found.per_call.value == pytest.approx(per_drawn / 0.8, rel=0.05)
    assert found.per_call.low < found.per_call.value < found.per_call.high


def test_calls_that_nobody_made_have_no_effect_to_tell():
    trial = large_trial(0.0, lists=3)
    found = effect_of_calls_made(trial, np.zeros(len(trial), dtype=bool), 0.95)
    assert np.isnan(found.per_call.value)


def test_an_effect_that_shows_needs_no_more_lists_and_a_small_one_more_than_anybody_waits():
    assert more_lists(Estimate(2.0, 0.5, 3.5), 10, 0.95) == 0
    assert more_lists(Estimate(0.01, -2.0, 2.0), 10, 0.95) is None
    assert more_lists(Estimate(0.0, float("nan"), float("nan")), 10, 0.95) is None
    # An error of half the effect: (1.96 + 0.84)² / 4 times as many lists.
    error = 1.0
    found = Estimate(2 * error, 2 * error - 1.96 * 1.25, 2 * error + 1.96 * 1.25)
    assert more_lists(replace(found, low=-0.1), 10, 0.95) in range(1, 40)


@pytest.mark.slow  # four hundred programmes
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_intervals_hold_the_effect_as_often_as_they_say_and_no_call_is_lost(scenario):
    there = world(4000, 16, -0.6)
    asked = Namespace(programmes=400, seed=3)
    got = judged(there, Design("lottery", 50, 7, 30), scenario, 16, asked)
    assert 0.92 <= got["held"] <= 0.985
    assert got["lost"] == 0
    if scenario.name == "none":
        assert got["shown"] <= 0.08
    else:
        assert got["mean"] == pytest.approx(got["truth"], rel=0.15)
