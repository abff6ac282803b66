"""What calling does is found where it is known, and an interval says how sure that is."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.outcomes.effect import (
    DrawnCalls,
    chance_of_as_much,
    effect_of_calls_made,
    extra_per_list,
    more_lists,
    running,
)
from ml_sys.outcomes.lottery import Design, inclusion_probabilities, pivotal
from tests.bench.impact import SCENARIOS, judged, world


def trial_of(called, paid, inclusion=0.5, lists=1, **others) -> DrawnCalls:
    size = len(called)
    rows = {
        "week": np.arange(size) * lists // size,
        "company": np.arange(size),
        "probability": np.zeros(size),
        "inclusion": np.full(size, inclusion),
    }
    return DrawnCalls(
        **{**rows, **others}, called=np.array(called, bool), outcome=np.array(paid, float), lists=lists
    )


def large_trial(effect: float, seed: int = 0, lists: int = 200) -> DrawnCalls:
    rng = np.random.default_rng(seed)
    chance = np.tile(inclusion_probabilities(999, Design("lottery", 10, 7, 30)), (lists, 1))
    called = pivotal(chance, rng.random(chance.shape))
    probability = rng.uniform(0.05, 0.3, chance.shape)
    paid = rng.random(chance.shape) < probability * np.where(called, 1 + effect, 1)
    week = np.repeat(np.arange(lists), chance.shape[1])
    company = rng.integers(lists * 5, size=week.size)
    return DrawnCalls(
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
    from statsmodels.api import WLS  # takes a second to import, of every worker that collects this file

    trial = large_trial(0.5)
    found = extra_per_list(trial, 0.95)
    weight = np.where(trial.called, 1.0, trial.inclusion / (1 - trial.inclusion))
    regressors = np.column_stack([np.ones(len(trial)), trial.called, trial.probability - 0.175])
    fitted = WLS(trial.outcome, regressors, weights=weight).fit(
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


SMALL = DrawnCalls(
    week=np.array([0, 0, 0, 0, 1, 1, 1, 1]),
    company=np.array([4, 7, 9, 2, 4, 5, 9, 8]),
    probability=np.array([0.3, 0.2, 0.1, 0.05, 0.25, 0.2, 0.1, 0.02]),
    inclusion=np.array([0.8, 0.6, 0.4, 0.2, 0.7, 0.6, 0.4, 0.3]),
    called=np.array([1, 0, 1, 0, 1, 1, 0, 0], bool),
    outcome=np.array([1.0, 0, 1, 0, 0, 1, 0, 1]),
    lists=3,
)


def total_by_hand(trial: DrawnCalls, outcome, covariate, without: int | None = None) -> float:
    """The effect over all lists, of all companies or of all but one; arms are trusted as by all."""
    odds = [
        1 / (chance if called else 1 - chance)
        for chance, called in zip(trial.inclusion, trial.called, strict=True)
    ]
    kept = [at for at, company in enumerate(trial.company) if company != without]
    overall, ratio = sum(outcome[at] for at in kept) / sum(covariate[at] for at in kept), []
    for arm in (True, False):
        trust = float(np.mean([odds[at] for at in range(len(trial)) if bool(trial.called[at]) == arm]))
        rows = [at for at in kept if bool(trial.called[at]) == arm]
        paid = sum(odds[at] * outcome[at] for at in rows) + trust * overall
        ratio.append(paid / (sum(odds[at] * covariate[at] for at in rows) + trust))
    found = 0.0
    for at in kept:
        chance = trial.inclusion[at]
        expected = covariate[at] * ((1 - chance) * ratio[0] + chance * ratio[1])
        found += (trial.called[at] - chance) / (1 - chance) * (outcome[at] - expected)
    return found


def lost_by_hand(trial: DrawnCalls, outcome, covariate) -> np.ndarray:
    """How the effect changes with each company left out."""
    total = total_by_hand(trial, outcome, covariate)
    each = sorted(set(trial.company.tolist()))
    return np.array([total - total_by_hand(trial, outcome, covariate, company) for company in each])


def bounds_by_hand(lost: np.ndarray, confidence: float) -> float:
    """Half of the interval of the effect over all lists."""
    squares = lost**2
    freedom = 2 * squares.sum() ** 2 / (squares**2).sum()
    return stats.t(freedom).ppf((1 + confidence) / 2) * np.sqrt(squares.sum())


def test_the_promise_is_taken_off_first_and_companies_are_added_up_over_their_lists():
    found = extra_per_list(SMALL, 0.9)
    assert found.value == pytest.approx(total_by_hand(SMALL, SMALL.outcome, SMALL.probability) / 3)
    half = bounds_by_hand(lost_by_hand(SMALL, SMALL.outcome, SMALL.probability), 0.9) / 3
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_an_arm_without_a_company_is_trusted_to_do_as_all_together():
    every = replace(SMALL, called=np.ones(8, bool))
    overall = SMALL.outcome.sum() / SMALL.probability.sum()
    odds = 1 / SMALL.inclusion
    ratio = (odds @ SMALL.outcome + odds.mean() * overall) / (odds @ SMALL.probability + odds.mean())
    off = SMALL.outcome - SMALL.probability * ((1 - SMALL.inclusion) * ratio + SMALL.inclusion * overall / 1)
    assert extra_per_list(every, 0.95).value == pytest.approx(off.sum() / 3)


def test_without_lists_or_rows_there_is_no_effect_to_tell():
    nothing = SMALL.first(0)
    assert (len(nothing), nothing.lists) == (0, 0)
    assert np.isnan(extra_per_list(nothing, 0.95).value)
    assert len(SMALL.first(1)) == 4
    one = SMALL.first(1)
    assert one.lists == 1
    for name in ("week", "company", "probability", "inclusion", "called", "outcome"):
        np.testing.assert_array_equal(getattr(one, name), getattr(SMALL, name)[:4])


def test_the_effect_of_a_call_is_that_of_being_drawn_over_the_calls_that_it_brings():
    made = np.array([1, 0, 0, 1, 1, 1, 0, 0], bool)
    found = effect_of_calls_made(SMALL, made, 0.9)
    assert (found.made, found.strayed) == (3 / 4, 1 / 4)
    paid = SMALL.outcome, SMALL.probability
    calls = made.astype(float), np.ones(8)
    total = total_by_hand(SMALL, *calls)
    ratio = total_by_hand(SMALL, *paid) / total
    half = bounds_by_hand((lost_by_hand(SMALL, *paid) - ratio * lost_by_hand(SMALL, *calls)) / total, 0.9)
    assert found.per_call.value == pytest.approx(ratio)
    assert (found.per_call.low, found.per_call.high) == pytest.approx((ratio - half, ratio + half))
    nobody = effect_of_calls_made(replace(SMALL, called=np.ones(8, bool)), made, 0.9)
    assert (nobody.made, np.isnan(nobody.strayed)) == (0.5, True)


@pytest.mark.parametrize(
    ("probability", "paid", "called", "by_company", "chance"),
    [
        # Each of two companies is called or not, by itself: 2 and 1 are added or taken off.
        ([0, 0], [2, 1], [1, 1], True, 1 / 2),
        ([0, 0], [2, 1], [1, 0], True, 1),
        # Of what was promised, 2 and 1, they are off by 1 and −1; level half the time.
        ([0.2, 0.1], [3, 0], [1, 0], True, 1 / 2),
        ([0.2, 0.1], [3, 0], [1, 1], True, 1),
        ([0.2, 0.1], [1, 2], [1, 0], True, 1 / 2),
        # One of two is called on each of two lists, 2 and 1 are added or taken off together, or the reverse.
        ([0, 0, 0, 0], [2, 1, 2, 1], [1, 0, 1, 0], False, 1 / 2),
        # One of two is called on each of two lists, and each time one of the two pays.
        ([0, 0, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0], False, 1 / 2),
    ],
)
def test_how_often_the_draw_alone_shows_as_much_is_counted_by_hand(
    probability, paid, called, by_company, chance
):
    size = len(paid)
    trial = trial_of(called, paid, lists=max(1, size // 2), probability=np.array(probability, float))
    found = chance_of_as_much(trial, by_company=by_company, redraws=2000, seed=1)
    assert found == pytest.approx(chance, abs=0.04)


def test_a_company_that_is_seldom_left_to_wait_counts_by_the_odds_of_it():
    # 2 over the odds of a half and 1 over those of a quarter weigh 4 each: whoever waits while the other is
    # called, or both are, is off by one at least, and every draw is.
    trial = trial_of([0, 1], [2, 1], inclusion=np.array([0.5, 0.75]))
    assert chance_of_as_much(trial, by_company=True, redraws=400, seed=1) == 1


def test_the_effect_of_a_call_is_told_where_there_is_less_than_one_more():
    trial = trial_of([1, 0], [1, 0], lists=1)
    found = effect_of_calls_made(trial, np.array([True, False]), 0.95)
    calls = total_by_hand(trial, [1.0, 0.0], [1.0, 1.0])
    assert 0 < calls <= 1
    expected = 1.0 / calls  # without probabilities the outcome is taken as it is
    assert found.per_call.value == pytest.approx(expected)


def test_rows_of_one_company_keep_its_group_where_companies_are_drawn():
    apart = trial_of([1, 1], [1, 1], company=np.array([0, 1]))
    assert chance_of_as_much(apart, by_company=True, redraws=400, seed=1) == pytest.approx(0.5, abs=0.08)
    together = replace(apart, company=np.array([3, 3]))
    assert chance_of_as_much(together, by_company=True, redraws=400, seed=1) == 1


def test_what_no_draw_shows_again_has_the_least_chance_there_is():
    rare = trial_of([1] * 14, [1] * 14)
    assert chance_of_as_much(rare, by_company=True, redraws=19, seed=1) == 1 / 20


def test_the_lists_that_are_missing_are_those_of_a_normal_test_four_times_in_five():
    reach, power = stats.norm.ppf(0.975), stats.norm.ppf(0.8)

    def asked(error: float, lists: int = 10) -> int | None:
        return more_lists(Estimate(1.0, 1 - reach * error, 1 + reach * error), lists, 0.95)

    assert asked(1.0) == np.ceil(10 * (reach + power) ** 2 - 10) == 69
    assert asked(1.0, 20) == np.ceil(20 * (reach + power) ** 2 - 20)
    most = np.sqrt(53) / (reach + power)  # 53 times the ten lists are 520 more
    assert (asked(most * 0.9999), asked(most * 1.0001)) == (520, None)
    assert more_lists(Estimate(-2.0, -3.0, -1.0), 10, 0.95) == 0
    assert (
        more_lists(Estimate(-1.0, -2.0, 0.0), 10, 0.95) == more_lists(Estimate(1.0, 0.0, 2.0), 10, 0.95) > 0
    )
    assert more_lists(Estimate(0.0, -1.0, 1.0), 10, 0.95) is None
    assert more_lists(Estimate(1.0, float("nan"), float("nan")), 10, 0.95) is None


def test_companies_that_are_nearly_always_called_are_drawn_again_as_often():
    # Of fourteen with a chance of .9 all are called, 1.4 more than on average: again all, or eleven at most.
    trial = trial_of([1] * 14, [1] * 14, inclusion=0.9)
    expected = 0.9**14 + stats.binom.cdf(11, 14, 0.9)
    found = chance_of_as_much(trial, by_company=True, redraws=2000, seed=1)
    assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("by_company", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_draw_is_repeated_by_the_design_s_own_rule_and_draws_level_with_it_count(by_company, seed):
    """Counted draw by draw in fractions, in which level is level."""
    size, redraws = 12, 60
    rng = np.random.default_rng(seed)
    tenths, quarters = rng.integers(0, 4, size), rng.choice([1, 2, 2, 3], size)
    trial = trial_of(
        rng.random(size) < 0.5, rng.integers(0, 3, size), quarters / 4, 3,
        probability=tenths / 10, company=rng.choice([4, 5, 9], size) if by_company else np.arange(size) + 7,
        week=np.array([0, 0, 0, 0, 2, 2, 2, 3, 3, 3, 3, 3]),
    )  # fmt: skip
    paid, promised = [int(one) for one in trial.outcome], [Fraction(int(one), 10) for one in tenths]
    scale = Fraction(sum(paid)) / sum(promised)
    chance = [Fraction(int(one), 4) for one in quarters]

    def apart(called) -> Fraction:
        return abs(
            sum(
                (y - p * scale) * (bool(drawn) - c) / (1 - c)
                for y, p, c, drawn in zip(paid, promised, chance, called, strict=True)
            )
        )

    rng = np.random.default_rng(3)
    if by_company:
        place = {company: at for at, company in enumerate(sorted(set(trial.company.tolist())))}
        numbers = [place[company] for company in trial.company.tolist()]
        draws = [rng.random(len(place))[numbers] < trial.inclusion for _ in range(redraws)]
    else:
        draws = np.zeros((redraws, size), dtype=bool)
        for week in (0, 2, 3):
            rows = [row for row in range(size) if trial.week[row] == week]
            rows.sort(key=lambda row: -chance[row])
            draws[:, rows] = pivotal(trial.inclusion[rows], rng.random((redraws, len(rows))))
    as_much = sum(apart(one) >= apart(trial.called) for one in draws)
    found = chance_of_as_much(trial, by_company=by_company, redraws=redraws, seed=3)
    assert found == pytest.approx((1 + as_much) / (1 + redraws))
