"""What is made of the predictions of the service."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from ml_sys.outcomes.monitoring import Limits
from ml_sys.outcomes.monitoring import rung as judged
from ml_sys.outcomes.promised import Band, bounds_of_count
from ml_sys.outcomes.served import (
    PROBABILITIES,
    STEEPNESS,
    VOLUME,
    edges_of,
    input_checks,
    kept_promise,
    served_checks,
    spread_of,
)
from ml_sys.settings import MonitorSettings
from ml_sys.text import date_of

LIMITS = Limits(**MonitorSettings().model_dump(exclude={"challengers", "lists"}))
DAY = 18_300
HELD = np.random.default_rng(1).beta(0.3, 20, 5000)
EDGES = edges_of(HELD)


def served(probability, days, version="1.0.0"):
    """Rows as the database gives them: the same probabilities on each of some days."""
    spread = spread_of(probability, EDGES)
    there = np.flatnonzero(spread.count)
    place = np.searchsorted(EDGES, probability, side="right")
    return pd.DataFrame(
        [
            (date_of(day), version, at, spread.count[at], spread.total[at],
             probability[place == at].min(), probability[place == at].max())
            for day in days
            for at in there.tolist()
        ],
        columns=["day", "version", "bin", "predictions", "total", "least", "most"],
    )  # fmt: skip


def rung(rows, day=DAY, version="1.0.0"):
    return {
        one.name: one for one in served_checks(rows, version, HELD, day, LIMITS) if one.effect > one.limit
    }


def week(probability, back=0, **chosen):
    return served(probability, range(DAY - 7 * back - 7, DAY - 7 * back), **chosen)


def sent(weeks, version="1.0.0"):
    """Counts as the database gives them: of each week, the latest first, all, blanks and unknown ones."""
    return pd.DataFrame(
        [
            (date_of(DAY - 7 * back - 2), version, name, count)
            for back, (asked, blank, unseen) in enumerate(weeks)
            for name, count in (("", asked), ("plan, blank", blank), ("plan, unknown to the version", unseen))
        ],
        columns=["day", "version", "input", "predictions"],
    )


def rung_inputs(weeks, **chosen):
    held = {"plan, blank": 0.1, "plan, unknown to the version": 0.0}
    found = input_checks(sent(weeks, **chosen), "1.0.0", held, DAY, LIMITS)
    return [one.name for one in judged(found, LIMITS.alpha) if one.alarm], found


def test_blanks_and_values_that_the_version_has_not_learnt_ring_when_they_come_more_often_than_they_did():
    usual = [(400, 40, 0), (400, 60, 4)]
    assert rung_inputs([(400, 50, 2), *usual])[0] == []
    assert rung_inputs([(400, 200, 2), *usual])[0] == ["served plan, blank"]
    assert rung_inputs([(400, 50, 40), *usual])[0] == ["served plan, unknown to the version"]
    assert rung_inputs([(400, 0, 0), *usual])[0] == ["served plan, blank"]  # they are filled in by something


def test_until_a_version_has_served_a_week_its_inputs_are_held_against_what_it_was_judged_on():
    assert rung_inputs([(400, 44, 0)])[0] == []
    alarms, found = rung_inputs([(400, 120, 0)])
    assert alarms == ["served plan, blank"]
    assert (found[0].now, found[0].reference) == (0.3, 0.1)
    assert rung_inputs([(99, 99, 99)])[1] == []
    assert rung_inputs([(400, 400, 0)], version="2.0.0")[1] == []


def test_only_weeks_of_enough_predictions_tell_what_inputs_are_usual():
    alarms, found = rung_inputs([(400, 200, 0), (99, 99, 0)])
    assert (alarms, [one.reference for one in found]) == (["served plan, blank"], [0.1, 0.0])
    alarms, found = rung_inputs([(400, 200, 0), (100, 50, 0), (3, 0, 0)])
    assert (alarms, [one.reference for one in found]) == ([], [0.5, 0.0])


USUAL = np.random.default_rng(2).choice(HELD, 300)
BEFORE = [week(USUAL, back) for back in range(1, 5)]


def test_what_is_served_as_before_rings_nothing():
    other = np.random.default_rng(3).choice(HELD, 300)
    found = served_checks(pd.concat([*BEFORE, week(other)]), "1.0.0", HELD, DAY, LIMITS)
    assert [one.name for one in found] == [VOLUME, PROBABILITIES, STEEPNESS]
    assert all(one.effect < one.limit for one in found)
    assert (found[0].now, found[0].reference) == (2100, 2100)
    assert found[1].now == pytest.approx(other.mean())


def test_a_service_that_nobody_asks_any_more_rings():
    silent = rung(pd.concat(BEFORE))
    assert list(silent) == [VOLUME]
    assert silent[VOLUME].effect == 1
    # Twice as many ask for no alarm.
    assert rung(pd.concat([*BEFORE, week(np.tile(USUAL, 2))])) == {}


def test_constant_and_flat_probabilities_ring_whatever_was_usual():
    constant = week(np.full(300, 0.004))
    assert STEEPNESS in rung(pd.concat([*BEFORE, constant]))
    always = [week(np.full(300, 0.004), back) for back in range(1, 5)]
    assert STEEPNESS in rung(pd.concat([*always, constant]))
    flat = week(np.random.default_rng(4).uniform(0.004, 0.005, 300))
    assert {STEEPNESS, PROBABILITIES} <= set(rung(pd.concat([*BEFORE, flat])))


def test_until_a_version_has_served_enough_it_is_held_against_its_holdout():
    other = [week(np.full(300, 0.5), back, version="0.9.0") for back in range(1, 5)]
    assert rung(pd.concat([*other, week(USUAL)])) == {}
    assert PROBABILITIES in rung(pd.concat([*other, week(np.clip(20 * USUAL, 0, 1))]))


def test_few_predictions_say_nothing():
    few = [week(USUAL[:14], back) for back in range(1, 5)]
    assert served_checks(pd.concat([*few, week(USUAL[:14])]), "1.0.0", HELD, DAY, LIMITS) == []
    assert served_checks(week(USUAL).iloc[:0], "1.0.0", HELD, DAY, LIMITS) == []


def test_the_best_tenth_is_taken_from_the_top_bins():
    probability = np.array([0.01] * 90 + [0.09] * 10)
    assert spread_of(probability, [0.05]).of_top() == pytest.approx(0.9 / 1.8)
    # Of a bin that holds more than a tenth a share is taken.
    assert spread_of(probability, [0.005]).of_top() == pytest.approx(0.1)
    assert spread_of(np.full(9, 0.2), [0.1]).of_top() == pytest.approx(0.1)


def test_a_promise_allows_what_a_binomial_of_its_mean_and_variance_does():
    # Twenty of a tenth: two expected; at most five with .9887.
    found = kept_promise("1.0.0", 20, 2.0, 20 * 0.01, 6, 0.95)
    assert found == Band("1.0.0", 20, 2.0, 6, int(binom.ppf(0.025, 20, 0.1)), int(binom.ppf(0.975, 20, 0.1)))
    assert not found.kept
    mixed = HELD[:1000]
    near = kept_promise("1", mixed.size, mixed.sum(), (mixed**2).sum(), 0, 0.95)
    assert np.abs(np.array([near.low, near.high]) - bounds_of_count(mixed, 0.95)).max() <= 1
    assert kept_promise("1", 5, 0.0, 0.0, 0, 0.95).kept
