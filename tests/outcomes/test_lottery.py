"""Who is called is drawn with the probabilities stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.outcomes.lottery import (
    BEYOND,
    CERTAIN,
    CONTROL,
    DRAWN,
    NO_WAIT,
    Design,
    Drawn,
    draw,
    in_lottery,
    inclusion_probabilities,
    pivotal,
)

CUTOFF = 18_000
LOTTERY = Design("lottery", 20, 7, 30, certain_share=0.2)
HOLDOUT = Design("holdout", 20, 7, 30, share=0.25)
IDS = [f"c{at}" for at in range(80)]
PROBABILITY = np.linspace(0.2, 0.01, 80)


def drawn_for(list_id: str, design: Design = LOTTERY) -> Drawn:
    return draw(IDS, PROBABILITY, design, list_id=list_id, cutoff=CUTOFF)


designs = st.builds(
    Design,
    kind=st.just("lottery"),
    capacity=st.integers(1, 60),
    seed=st.integers(0, 99),
    horizon_days=st.just(30),
    pool=st.floats(1.05, 5),
    certain_share=st.floats(0, 0.99),
)


@given(designs, st.integers(0, 400))
def test_probabilities_fall_with_rank_stay_within_bounds_and_sum_to_the_calls(design, companies):
    chance = inclusion_probabilities(companies, design)
    assert chance.sum() == pytest.approx(min(companies, design.capacity), abs=1e-9)
    assert ((chance > 0) & (chance <= 1)).all()
    assert (np.diff(chance) <= 1e-12).all()
    certain = int(design.certain_share * design.capacity)
    assert (chance[:certain] == 1).all()


@given(designs, st.integers(0, 150))
def test_the_list_is_always_full(design, companies):
    ids = [str(at) for at in range(companies)]
    drawn = draw(ids, np.linspace(0.3, 0.01, companies), design, list_id="a", cutoff=CUTOFF)
    assert drawn.selected.sum() == min(companies, design.capacity)
    assert not drawn.selected[drawn.inclusion_probability == 0].any()
    assert drawn.selected[drawn.inclusion_probability == 1].all()


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_a_sample_has_as_many_as_the_probabilities_sum_to(chance, random):
    given_chance = np.array(chance)
    last = np.ceil(given_chance.sum()) - given_chance.sum()
    every = np.append(given_chance, last)
    lots = np.array([random.random() for _ in every])
    assert pivotal(every, lots).sum() == round(every.sum())


def test_over_many_draws_each_company_is_called_as_often_as_stated():
    draws = 40_000
    chance = inclusion_probabilities(200, LOTTERY)
    lots = np.random.default_rng(3).random((draws, chance.size))
    often = pivotal(chance, lots).mean(axis=0)
    spread = np.sqrt(chance * (1 - chance) / draws)
    assert (np.abs(often - chance) <= 4.5 * spread + 1e-12).all()


@pytest.mark.parametrize("design", [LOTTERY, HOLDOUT], ids=["lottery", "holdout"])
def test_over_many_lists_the_draw_keeps_to_the_probabilities_that_it_states(design):
    lists = 1500
    seeded = [Design(design.kind, 20, seed, 30, share=design.share) for seed in range(lists)]
    all_drawn = [drawn_for("same", one) for one in seeded]
    stated = np.array([one.inclusion_probability for one in all_drawn])
    called = np.array([one.selected for one in all_drawn])
    excess = (called - stated).sum(axis=0)
    spread = np.sqrt((stated * (1 - stated)).sum(axis=0))
    assert (np.abs(excess) <= 4.5 * spread + 1e-9).all()


@pytest.mark.parametrize("design", [LOTTERY, HOLDOUT], ids=["lottery", "holdout"])
def test_the_order_of_rows_changes_no_draw(design):
    flat = np.repeat([0.2, 0.1, 0.05, 0.01], 20)  # ties, which the order of rows could break
    first = draw(IDS, flat, design, list_id="a", cutoff=CUTOFF)
    order = np.random.default_rng(1).permutation(len(IDS))
    again = draw([IDS[at] for at in order], flat[order], design, list_id="a", cutoff=CUTOFF)
    for name in ("selected", "inclusion_probability", "group", "waits_until"):
        np.testing.assert_array_equal(getattr(first, name)[order], getattr(again, name))


def test_the_same_list_and_seed_give_the_same_draw_and_another_of_either_another():
    def called(list_id: str, seed: int) -> list[bool]:
        return drawn_for(list_id, Design("lottery", 20, seed, 30)).selected.tolist()

    assert called("a", 7) == called("a", 7)
    assert called("a", 7) != called("b", 7)
    assert called("a", 7) != called("a", 8)


def test_the_top_is_always_called_and_the_rest_of_the_pool_takes_its_chance():
    drawn = drawn_for("a")
    assert drawn.group[:4].tolist() == [CERTAIN] * 4
    assert set(drawn.group[4:40]) == {DRAWN, CONTROL}
    assert set(drawn.group[40:]) == {BEYOND}
    np.testing.assert_array_equal(
        in_lottery(drawn.inclusion_probability), np.isin(drawn.group, [DRAWN, CONTROL])
    )


def test_every_company_of_a_pool_waits_until_its_window_has_closed():
    drawn = drawn_for("a")
    assert (drawn.waits_until[:40] == CUTOFF + 35).all()
    assert (drawn.waits_until[40:] == NO_WAIT).all()
    longer = drawn_for("a", Design("lottery", 20, 7, 30, wait_weeks=8))
    assert longer.waits_until[0] == CUTOFF + 56


def test_without_an_experiment_the_first_are_called_and_nobody_waits():
    drawn = drawn_for("a", Design("none", 20, 7, 30))
    assert drawn.selected.tolist() == [True] * 20 + [False] * 60
    assert drawn.inclusion_probability.tolist() == [1.0] * 20 + [0.0] * 60
    assert set(drawn.group) == {BEYOND}
    assert (drawn.waits_until == NO_WAIT).all()


def test_a_company_that_is_held_out_stays_so_until_the_weeks_are_over():
    def held(cutoff: int) -> set[str]:
        one = draw(IDS, PROBABILITY, HOLDOUT, list_id=str(cutoff), cutoff=cutoff)
        return {IDS[at] for at in np.flatnonzero(one.group == CONTROL)}

    stretch = 7 * HOLDOUT.hold_weeks
    begin = CUTOFF // stretch * stretch
    assert held(begin) == held(begin + 7) == held(begin + stretch - 1) != set()
    assert held(begin) != held(begin + stretch)


def test_a_held_out_company_makes_room_for_the_next_one():
    drawn = drawn_for("a", HOLDOUT)
    assert drawn.selected.sum() == 20
    within = drawn.inclusion_probability > 0
    assert (drawn.inclusion_probability[within] == 0.75).all()
    last_called = np.flatnonzero(drawn.selected).max()
    assert within[: last_called + 1].all()
    assert not within[last_called + 1 :].any()


@pytest.mark.parametrize(("horizon", "weeks", "days"), [(28, 0, 28), (29, 0, 35), (1, 0, 7), (30, 8, 56)])
def test_a_pool_waits_whole_weeks_that_hold_the_horizon_unless_told_otherwise(horizon, weeks, days):
    assert Design("lottery", 5, 7, horizon, wait_weeks=weeks).wait_days == days


def test_by_default_twice_the_calls_take_part_nobody_is_certain_and_a_tenth_is_held_out_for_half_a_year():
    one = Design("none", 5, 7, 30)
    assert (one.pool, one.certain_share, one.wait_weeks, one.share, one.hold_weeks) == (2.0, 0.0, 0, 0.1, 26)


@pytest.mark.parametrize(
    ("design", "companies", "expected"),
    [
        # Four places of six by lot: around 2/3, falling by .6 × 1/3 × (5, 3, 1, −1, −3, −5) / 6.
        (Design("lottery", 4, 7, 30, pool=1.5), 9, 2 / 3 + 0.2 * np.array([5, 3, 1, -1, -3, -5]) / 6),
        # Rounded to the nearest, and never more than there are.
        (Design("lottery", 3, 7, 30, pool=1.25), 9, 3 / 4 + 0.15 * np.array([3, 1, -1, -3]) / 4),
        (Design("lottery", 3, 7, 30, pool=1.25), 3, np.ones(3)),
        (Design("lottery", 3, 7, 30), 2, np.ones(2)),
        # Two of four are certain, and two places are for three: around 2/3, by .6 × 1/3 × (2, 0, −2) / 3.
        (Design("lottery", 4, 7, 30, pool=1.25, certain_share=0.6), 9, [1, 1, 0.8, 2 / 3, 8 / 15]),
        # The share that is certain is rounded down: 2.8 of four are two.
        (Design("lottery", 4, 7, 30, pool=1.25, certain_share=0.7), 9, [1, 1, 0.8, 2 / 3, 8 / 15]),
        (Design("none", 3, 7, 30), 9, np.ones(3)),
        (Design("lottery", 3, 7, 30), 0, []),
    ],
)
def test_probabilities_by_rank_are_those_worked_out_by_hand(design, companies, expected):
    found = inclusion_probabilities(companies, design)
    assert found.size == len(expected)
    assert found == pytest.approx(np.asarray(expected))


def test_a_draw_is_the_same_on_every_machine_and_in_every_release():
    ids = [f"company {at}" for at in range(12)]
    probability = np.repeat([0.2, 0.1, 0.05], 4)
    lottery = draw(ids, probability, Design("lottery", 4, 7, 30), list_id="2020-01-06", cutoff=CUTOFF)
    assert np.flatnonzero(lottery.selected).tolist() == [1, 3, 5, 7]
    assert np.flatnonzero(lottery.group == CONTROL).tolist() == [0, 2, 4, 6]
    holdout = draw(
        ids, probability, Design("holdout", 6, 7, 30, share=0.4), list_id="2020-01-06", cutoff=CUTOFF
    )
    assert np.flatnonzero(holdout.selected).tolist() == [1, 4, 5, 7, 9, 10]
    assert np.flatnonzero(holdout.group == CONTROL).tolist() == [0, 2, 3, 6]


def test_neighbours_fight_by_the_lots_given():
    # .5 and .5: the first stays where its lot is below a half. .6 and .6: one is called, the other goes on.
    assert pivotal(np.array([0.5, 0.5]), np.array([0.49, 0.9])).tolist() == [True, False]
    assert pivotal(np.array([0.5, 0.5]), np.array([0.51, 0.1])).tolist() == [False, True]
    three = np.array([0.6, 0.6, 0.8])
    for lots, called in (
        ((0.49, 0.19), [True, True, False]),
        ((0.49, 0.21), [True, False, True]),
        ((0.51, 0.19), [True, True, False]),
        ((0.51, 0.21), [False, True, True]),
    ):
        assert pivotal(three, np.array([*lots, 0.9])).tolist() == called
    assert pivotal(np.array([1.0]), np.array([0.5])).tolist() == [True]
    assert pivotal(np.zeros((3, 0)), np.zeros((3, 0))).shape == (3, 0)
