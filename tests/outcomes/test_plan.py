"""How long a design has to run is known before it starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_sys.outcomes.lottery import Design
from ml_sys.outcomes.plan import alternatives, compare, play, pools

LOTTERY = Design("lottery", 5, 7, 30)
HOLDOUT = Design("holdout", 5, 7, 30)


def lists(weeks: int = 12, companies: int = 300) -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.beta(0.5, 4, size=(companies, weeks))


def test_a_company_of_one_pool_is_in_none_while_it_waits():
    probability = np.tile(np.linspace(0.4, 0.01, 300)[:, None], (1, 10))
    found = pools(probability, LOTTERY).probability
    assert found.shape == (10, 10)
    # Five weeks of ten companies each, then the first ten again.
    np.testing.assert_allclose(found[:5].ravel(), probability[:50, 0])
    np.testing.assert_allclose(found[5], found[0])


def test_before_the_first_week_others_wait_as_well():
    probability = np.tile(np.linspace(0.4, 0.01, 300)[:, None], (1, 4))
    # The last ten before are those of ranks 31 to 40, of which none is free again.
    np.testing.assert_allclose(pools(probability, LOTTERY).probability[0], probability[40:50, 0])


def test_a_company_that_is_on_no_list_that_week_is_in_no_pool():
    probability = lists()
    probability[:, 3] = np.nan
    assert not pools(probability, LOTTERY).probability[3].any()


def test_calls_are_full_every_week_and_the_pools_conversions_are_those_of_its_probabilities():
    every = pools(lists(), LOTTERY)
    found = play(every, LOTTERY, 1.0, programmes=300, confidence=0.95, most_weeks=12)
    assert found.drawn == pytest.approx(5)
    assert found.in_lottery == pytest.approx(every.probability[: len(found.power)].sum(axis=1).mean())
    assert found.reached < found.best_reached


@pytest.mark.parametrize("design", [LOTTERY, HOLDOUT], ids=["lottery", "holdout"])
def test_a_larger_effect_shows_sooner_and_none_hardly_ever(design):
    every = pools(lists(), design)

    def weeks(effect: float) -> int | None:
        return play(every, design, effect, programmes=300, confidence=0.95, most_weeks=150).weeks

    large, small = weeks(1.5), weeks(0.75)
    assert large is not None
    assert small is None or large < small
    none = play(every, design, 0.0, programmes=300, confidence=0.95, most_weeks=40)
    assert none.weeks is None
    assert max(none.power[8:]) < 0.08


def test_the_lottery_is_over_sooner_than_a_held_out_tenth_and_a_certain_top_takes_longer():
    lottery, certain, holdout = compare(
        lists(), (LOTTERY, replace(LOTTERY, certain_share=0.4), HOLDOUT), 0.6, programmes=300, confidence=0.95
    )
    assert lottery.weeks is not None
    assert (certain.weeks or 999) > lottery.weeks
    assert (holdout.weeks or 999) > lottery.weeks


def test_the_lottery_as_set_stands_beside_a_certain_top_and_a_holdout():
    kinds = [(one.kind, one.certain_share) for one in alternatives(replace(LOTTERY, certain_share=0.3))]
    assert kinds == [
        ("lottery", 0.0), ("lottery", 0.1), ("lottery", 0.2), ("lottery", 0.3), ("holdout", 0.3)
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_weeks():
    every = pools(lists(), LOTTERY)
    once, again = (
        play(every, LOTTERY, 1.0, programmes=100, confidence=0.95, most_weeks=10) for _ in range(2)
    )
    assert once == again
