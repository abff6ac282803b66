"""How long a design has to run is known before it starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml_sys.jobs.outcomes.experiment import alternatives, compare
from ml_sys.outcomes.effect import DrawnCalls, extra_per_list
from ml_sys.outcomes.lottery import Design
from ml_sys.outcomes.plan import Pools, _shown, _Sums, play, pools

LOTTERY = Design("lottery", 5, 7, 30)
HOLDOUT = Design("holdout", 5, 7, 30)


def lists(weeks: int = 12, companies: int = 300) -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.beta(0.5, 4, size=(companies, weeks))


def test_a_company_of_one_pool_is_in_none_while_it_waits():
    probability = np.tile(np.linspace(0.4, 0.01, 300)[:, None], (1, 10))
    found = pools(probability, LOTTERY).probability
    assert found.shape == (10, 13)  # the next three step in where others have paid
    found = found[:, :10]
    # Five weeks of ten companies each, then the first ten again.
    np.testing.assert_allclose(found[:5].ravel(), probability[:50, 0])
    np.testing.assert_allclose(found[5], found[0])


def test_before_the_first_week_others_wait_as_well():
    probability = np.tile(np.linspace(0.4, 0.01, 300)[:, None], (1, 4))
    # The last ten before are those of ranks 31 to 40, of which none is free again.
    np.testing.assert_allclose(pools(probability, LOTTERY).probability[0, :10], probability[40:50, 0])


def test_a_company_that_is_on_no_list_that_week_is_in_no_pool():
    probability = lists()
    probability[:, 3] = np.nan
    assert not pools(probability, LOTTERY).probability[3].any()


def test_calls_are_full_every_week_and_the_pools_conversions_are_those_of_its_probabilities():
    every = pools(lists(), LOTTERY)
    found = play(every, LOTTERY, 0.0, programmes=300, confidence=0.95, most_lists=12)
    assert found.drawn == pytest.approx(5)
    assert found.in_lottery == pytest.approx(every.probability[:, :10].sum(axis=1).mean())
    assert found.reached < found.best_reached


def test_who_pays_because_of_a_call_is_missed_on_later_lists():
    every = pools(np.tile(0.4 * 0.95 ** np.arange(300)[:, None], (1, 12)), LOTTERY)
    without, with_calls = (
        play(every, LOTTERY, effect, programmes=100, confidence=0.99999, most_lists=12)
        for effect in (0.0, 1.0)
    )
    assert with_calls.drawn == without.drawn == pytest.approx(5)
    assert with_calls.in_lottery < 0.97 * without.in_lottery


def test_programmes_are_judged_as_impact_judges_them():
    rng, programmes, weeks, there = np.random.default_rng(9), 60, 12, 40
    sums, played = _Sums.of(programmes, there), []
    chance = np.linspace(0.8, 0.2, 10)
    for _ in range(weeks):
        company = np.stack([rng.permutation(there)[:10] for _ in range(programmes)])
        probability = rng.uniform(0.05, 0.4, company.shape)
        called = rng.random(company.shape) < chance
        paid = rng.random(company.shape) < probability * np.where(called, 2.0, 1.0)
        sums.add(company, probability, np.broadcast_to(chance, company.shape), called, paid)
        played.append((company, probability, called, paid))
    shown = []
    for one in range(programmes):
        columns = (np.concatenate([week[at][one] for week in played]) for at in range(4))
        company, probability, called, paid = columns
        week = np.repeat(np.arange(weeks), 10)
        trial = DrawnCalls(
            week, company, probability, np.tile(chance, weeks), called, paid.astype(float), weeks
        )
        shown.append(extra_per_list(trial, 0.9).low > 0)
    assert 0.1 < np.mean(shown) < 0.9
    assert sums.shown(0.9) == np.mean(shown)


def test_of_monthly_lists_fewer_are_waited_for_and_held_out_over():
    probability = np.tile(np.linspace(0.4, 0.01, 300)[:, None], (1, 6))
    monthly = pools(probability, LOTTERY, 30.4)
    # Five weeks are over at the second list after.
    np.testing.assert_allclose(monthly.probability[2, :10], monthly.probability[0, :10])
    assert not set(monthly.company[0, :10]) & set(monthly.company[1, :10])
    assert monthly.lists_in(7 * 26) == 6
    assert (monthly.most_lists, pools(probability, LOTTERY).most_lists) == (60, 260)
    assert pools(probability, LOTTERY).lists_in(7 * 26) == 26
    assert monthly.lists_in(61) == 2  # two months may be a day longer than twice the usual one


@pytest.mark.parametrize("design", [LOTTERY, HOLDOUT], ids=["lottery", "holdout"])
def test_a_larger_effect_shows_sooner_and_none_hardly_ever(design):
    every = pools(lists(), design)

    def weeks(effect: float) -> int | None:
        return play(every, design, effect, programmes=300, confidence=0.95, most_lists=150).lists

    large, small = weeks(1.5), weeks(0.75)
    assert large is not None
    assert small is None or large < small
    none = play(every, design, 0.0, programmes=300, confidence=0.95, most_lists=40)
    assert none.lists is None
    assert max(none.power[8:]) < 0.08


def test_the_lottery_is_over_sooner_than_a_held_out_tenth_and_a_certain_top_takes_longer():
    lottery, certain, holdout = compare(
        lists(), (LOTTERY, replace(LOTTERY, certain_share=0.4), HOLDOUT), 0.6, programmes=300, confidence=0.95
    )
    assert lottery.lists is not None
    assert (certain.lists or 999) > lottery.lists
    assert (holdout.lists or 999) > lottery.lists


def test_the_lottery_as_set_stands_beside_a_certain_top_and_a_holdout():
    kinds = [(one.kind, one.certain_share) for one in alternatives(replace(LOTTERY, certain_share=0.3))]
    assert kinds == [
        ("lottery", 0.0), ("lottery", 0.1), ("lottery", 0.2), ("lottery", 0.3), ("holdout", 0.3)
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_weeks():
    every = pools(lists(), LOTTERY)
    once, again = (
        play(every, LOTTERY, 1.0, programmes=100, confidence=0.95, most_lists=10) for _ in range(2)
    )
    assert once == again


def test_the_effect_shows_where_the_sum_lies_beyond_students_t_of_its_spread():
    # Fourth powers as large as the square: two degrees of freedom; less than one counts as one.
    two, one = stats.t(2).ppf(0.975), stats.t(1).ppf(0.975)
    spread = np.array([4.0, 4.0, 4.0, 4.0])
    total = 2 * np.array([two * 1.001, two * 0.999, one * 1.001, one * 0.999])
    fourth = np.array([16.0, 16.0, 64.0, 64.0])
    assert _shown(total, spread, fourth, 0.95) == 0.5
    assert _shown(-total, spread, fourth, 0.95) == 0
    assert _shown(np.zeros(2), np.zeros(2), np.zeros(2), 0.95) == 0


def test_a_held_out_pool_is_deep_enough_for_who_is_left_out():
    # 5 / .9 = 5.6 companies for five calls, and five standard deviations more.
    assert pools(lists(weeks=3), HOLDOUT).probability.shape == (3, 10)
    assert pools(lists(weeks=3, companies=7), HOLDOUT).probability.shape == (3, 7)
    first_six = pools(np.tile(np.linspace(0.4, 0.01, 300)[:, None], (1, 10)), HOLDOUT).company[:, :6]
    # Six companies a week wait for five weeks, so that the sixth week begins anew.
    assert np.unique(first_six[:5]).size == 30
    np.testing.assert_array_equal(first_six[5:], first_six[:5])
    # Who was beyond the sixth was in no pool and does not wait.
    np.testing.assert_array_equal(first_six[1], first_six[0] + 6)


def test_where_companies_do_not_suffice_places_are_empty():
    found = pools(np.full((4, 5), 0.25), LOTTERY)
    assert found.probability.tolist() == [[0.25] * 4, *[[0] * 4] * 4]
    assert set(found.company.ravel().tolist()) == {0, 1, 2, 3}


def test_what_a_week_brings_is_told_by_hand():
    every = Pools(np.linspace(0.3, 0.1, 10)[None].repeat(3, 0), np.arange(30).reshape(3, 10))
    found = play(every, LOTTERY, 0.5, programmes=2000, confidence=0.95, most_lists=4)
    assert found.design == LOTTERY
    assert len(found.power) == 4
    assert found.drawn == pytest.approx(5)
    assert found.in_lottery == pytest.approx(2.0)
    assert found.best_reached == pytest.approx(every.probability[0, :5].sum())
    chance = 0.5 + 0.3 * np.arange(9, -10, -2) / 10
    assert found.reached == pytest.approx(chance @ every.probability[0], rel=0.01)
    certain = play(
        every, replace(LOTTERY, certain_share=0.4), 0.5, programmes=200, confidence=0.95, most_lists=4
    )
    assert certain.drawn == pytest.approx(3)
    assert certain.in_lottery == pytest.approx(every.probability[0, 2:].sum())


def test_a_holdout_calls_down_to_its_capacity_of_those_not_held_out():
    every = Pools(np.linspace(0.3, 0.1, 10)[None], np.arange(10)[None])
    found = play(every, replace(HOLDOUT, share=0.25), 0.5, programmes=4000, confidence=0.95, most_lists=1)
    assert found.drawn == pytest.approx(5, rel=0.01)
    assert found.best_reached == pytest.approx(every.probability[0, :5].sum())
    assert found.best_reached > found.reached > 0.85 * found.best_reached
    assert 0.25 * found.in_lottery == pytest.approx(found.in_lottery - found.reached, rel=0.05)


def test_weeks_are_those_after_which_the_effect_shows_four_times_in_five_three_weeks_in_a_row():
    found = play(pools(lists(), LOTTERY), LOTTERY, 1.5, programmes=300, confidence=0.95, most_lists=150)
    settled = [min(found.power[at : at + 3]) >= 0.8 for at in range(len(found.power) - 2)]
    assert found.lists is not None
    assert found.lists > 3
    assert found.lists == settled.index(True) + 1
    assert len(found.power) == found.lists + 2


def test_alternatives_keep_the_other_settings_and_name_a_share_once():
    asked = replace(HOLDOUT, certain_share=0.1, pool=3.0)
    found = alternatives(asked)
    assert [(one.kind, one.certain_share) for one in found] == [
        ("lottery", 0.0), ("lottery", 0.1), ("lottery", 0.2), ("holdout", 0.1),
    ]  # fmt: skip
    assert {one.pool for one in found} == {3.0}


def test_an_effect_that_shows_at_once_is_played_until_it_has_settled():
    every = Pools(np.full((2, 200), 0.5), np.arange(400).reshape(2, 200))
    found = play(every, replace(LOTTERY, capacity=100), 1.0, programmes=50, confidence=0.95, most_lists=20)
    assert found.lists == 1
    assert len(found.power) == 4


def test_where_all_there_are_can_be_called_chance_decides_on_nobody():
    every = Pools(np.array([[0.3, 0.2, 0.0, 0.0]]), np.arange(4)[None])
    found = play(every, replace(LOTTERY, capacity=2), 1.0, programmes=20, confidence=0.95, most_lists=2)
    assert (found.drawn, found.in_lottery) == (0, 0)
    assert (found.reached, found.best_reached) == pytest.approx((0.5, 0.5))


def test_who_is_held_out_is_drawn_anew_after_its_weeks_and_not_before():
    every = Pools(np.linspace(0.9, 0.1, 10)[None].repeat(4, 0), np.tile(np.arange(10), (4, 1)))

    def reached(hold_weeks: int, weeks: int) -> float:
        design = replace(HOLDOUT, share=0.5, capacity=3, hold_weeks=hold_weeks)
        return play(every, design, 0.0, programmes=1, confidence=0.95, most_lists=weeks).reached

    assert reached(2, 2) == pytest.approx(reached(2, 1))
    assert reached(2, 4) != pytest.approx(reached(2, 2))
    assert reached(1, 2) != pytest.approx(reached(1, 1))


def test_an_empty_place_of_a_holdout_is_no_call():
    every = Pools(np.array([[0.3, 0.2, 0.0, 0.0, 0.0]]), np.arange(5)[None])
    found = play(every, HOLDOUT, 0.5, programmes=2000, confidence=0.95, most_lists=1)
    assert found.drawn == pytest.approx(2 * 0.9, rel=0.02)


FEW = np.random.default_rng(8).integers(0, 9, (40, 5)) / 10  # with many ties
FEW[3] = np.nan
FEW[::7, 2] = np.nan
DRAWN = Design("lottery", 4, 3, 20, pool=2.5, certain_share=0.25)
HELD = Design("holdout", 4, 3, 20, share=0.25, hold_weeks=3)


def pools_by_hand(
    probability: np.ndarray, wanted: float, size: int, wait: int
) -> tuple[list[list[float]], list[list[int]]]:
    """Go through the lists twice; who stands in a pool is free again so many lists later."""
    free: dict[int, int] = {}
    found: dict[int, tuple[list[float], list[int]]] = {}
    for at in range(2 * probability.shape[1]):
        listed = probability[:, at % probability.shape[1]].tolist()
        there = {one for one, p in enumerate(listed) if not np.isnan(p) and free.get(one, 0) <= at}
        order = sorted(
            range(len(listed)), key=lambda one: (one not in there, -listed[one] if one in there else 0, one)
        )
        order = order[:size]
        found[at % probability.shape[1]] = [listed[one] if one in there else 0.0 for one in order], order
        free |= {one: at + wait for one in order[: round(wanted)] if one in there}
    return [found[at][0] for at in sorted(found)], [found[at][1] for at in sorted(found)]


@pytest.mark.parametrize(
    ("design", "every_days", "wanted", "size", "wait"),
    [
        (DRAWN, 7.0, 10, 13, 3),
        (DRAWN, 6.0, 10, 13, 4),
        (DRAWN, 21.1, 10, 13, 1),
        (replace(DRAWN, capacity=30), 7.0, 40, 40, 3),
        (HELD, 7.0, 4 / 0.75, int(4 / 0.75 + 5 * (4 / 0.75 * 0.25) ** 0.5 + 1), 3),
        (replace(HELD, capacity=38), 7.0, 38 / 0.75, 40, 3),
    ],
)
def test_pools_are_those_of_going_through_the_lists_by_hand(
    design: Design, every_days: float, wanted: float, size: int, wait: int
) -> None:
    found = pools(FEW, design, every_days)
    probability, who = pools_by_hand(FEW, wanted, size, wait)
    assert found.probability.tolist() == probability
    numbers = sorted({one for pool in who for one in pool})
    assert found.company.tolist() == [[numbers.index(one) for one in pool] for pool in who]
    assert found.every_days == every_days


@pytest.mark.parametrize(
    ("design", "effect", "lists", "told", "shown"),
    [
        (DRAWN, 0.0, None, (3, 2.2, 1.4877380952380952, 1.7357142857142855),
         [2, 4, 5, 6, 9, 9, 7, 10, 8, 8, 6, 8, 7, 8]),
        (DRAWN, 1.5, 5, (2.9714285714285715, 2.0490476190476192, 1.4488095238095238, 1.6909523809523808),
         [11, 31, 42, 45, 51, 53, 52]),
        (HELD, 0.0, None, (4, 3.996785714285714, 3.0096428571428566, 3.1142857142857148),
         [1, 2, 2, 3, 2, 3, 3, 2, 4, 4, 3, 2, 2, 2]),
        (HELD, 1.5, 12, (4, 3.9963095238095234, 3.003214285714286, 3.113809523809524),
         [5, 9, 17, 25, 29, 31, 37, 43, 46, 45, 45, 48, 51, 50]),
    ],
)  # fmt: skip
def test_sixty_programmes_come_out_as_they_did(
    design: Design, effect: float, lists: int | None, told: tuple[float, ...], shown: list[int]
) -> None:
    """Of a programme played with a seed every figure is kept; each was read and found plausible once."""
    found = play(pools(FEW, design, 6.0), design, effect, programmes=60, confidence=0.8, most_lists=14)
    assert (found.design, found.lists) == (design, lists)
    assert (found.drawn, found.in_lottery, found.reached, found.best_reached) == pytest.approx(told, abs=1e-9)
    assert found.power == pytest.approx([one / 60 for one in shown], abs=1e-9)
