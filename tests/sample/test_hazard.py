"""The stated hazard: what moves it, by how much, and when."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.sample.hazard import (
    LAG_WEEKS,
    WEEKDAY_SHARES,
    draw_purchases,
    firmographic_effect,
    true_probability,
    usage_effect,
    weekly_hazard,
)
from ml_sys.sample.simulation import (
    EMPLOYEE_RANGES,
    INDUSTRIES,
    NEVER,
    NO_VALUE,
    UNRANKED,
    Firms,
    SimulatedUsage,
)


def firms(employees=NO_VALUE, rank=NO_VALUE, industry=NO_VALUE):
    """One company; what is on file once it pays is something else."""
    return Firms(np.array([employees]), np.array([rank]), np.array([industry]), np.array([3]), np.array([5]))


def usage(weeks, rows):
    """Usage of one company: users and actions by week, for some objects."""
    present, users, actions = (
        np.zeros((1, weeks), bool),
        np.zeros((1, weeks, 4), int),
        np.zeros((1, weeks, 4), int),
    )
    for week, of_users, of_actions in rows:
        present[0, week] = True
        users[0, week, : len(of_users)] = of_users
        actions[0, week, : len(of_actions)] = of_actions
    return SimulatedUsage(present, users, actions)


def test_thirty_days_are_four_weeks_and_two_fifths_of_what_a_fifth_brings():
    hazard = np.array([[0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9]])
    (found,) = true_probability(hazard, 1)
    share = WEEKDAY_SHARES[:2].sum()
    assert share == pytest.approx(0.38)
    assert found == pytest.approx(1 - 0.9 * 0.8 * 0.7 * 0.6 * (1 - 0.38 * 0.5))


@pytest.mark.parametrize(
    ("one", "effect"),
    [
        (firms(), 0.0),
        *(
            (firms(employees=at), effect)
            for at, effect in enumerate((-1.3, -0.3, 0.3, 0.7, 0.7, 0.5, 0.4, -0.8, -1.0))
        ),
        (firms(rank=500), 1.1),
        (firms(rank=UNRANKED), -0.55),
        (firms(industry=INDUSTRIES.index("RETAIL")), 0.0),
        (firms(industry=INDUSTRIES.index("SaaS")), 0.4),
        (firms(industry=INDUSTRIES.index("Marketing Services")), 0.3),
        (firms(industry=INDUSTRIES.index("Non-Profit/Educational Institution")), -1.0),
        (firms(industry=INDUSTRIES.index("HIGHER_EDUCATION")), -0.5),
        (firms(EMPLOYEE_RANGES.index("11 to 25"), 7, INDUSTRIES.index("Software")), 0.7 + 1.1 + 0.4),
    ],
)
def test_what_is_on_file_adds_up_and_a_blank_adds_nothing(one, effect):
    assert firmographic_effect(one)[0] == pytest.approx(effect)


def test_before_any_usage_a_company_is_unseen():
    effect = usage_effect(usage(3, [(1, [], [])]))[0]
    assert effect[:2] == pytest.approx([-8.7, -8.7])  # the week itself has to be over
    growth = np.log(0.5 / 0.5)
    assert effect[2] == pytest.approx(-9.75 + growth + 1.2, abs=1e-5)
    assert effect[3] == pytest.approx(-9.75 + 1.2 * np.exp(-1 / 8), abs=1e-5)


def test_recent_users_objects_pace_and_growth_add_up():
    effect = usage_effect(usage(14, [(0, [8], [0]), (9, [4, 2], [10, 2]), (13, [2], [6])]))[0]
    # At the end: four weeks hold week 13 and not week 9, the eight before hold week 9 and not week 0.
    recent, earlier = 2 / 4, 6 / 8
    expected = (
        -9.75
        + 1.7 * np.log1p(recent)
        + 1.0 * np.log((recent + 0.5) / (earlier + 0.5))
        + 0.4 * 1
        + 0.25 * np.log1p(6 / 2)
        + 1.2 * np.exp(-13 / 8)
    )
    assert effect[14] == pytest.approx(expected, abs=1e-4)
    recent, earlier = 8 / 4, 6 / 8
    both = usage_effect(usage(14, [(1, [0], [0]), (9, [4, 2], [10, 2]), (13, [7, 0, 1], [6])]))[0]
    assert both[14] == pytest.approx(
        -9.75 + 1.7 * np.log1p(recent) + np.log((recent + 0.5) / (earlier + 0.5)) + 0.4 * 2
        + 0.25 * np.log1p(6 / 8) + 1.2 * np.exp(-12 / 8),
        abs=1e-4,
    )  # fmt: skip


def test_growth_and_users_have_a_most_and_growth_counts_of_who_uses_only():
    many = usage_effect(usage(4, [(3, [4000], [0])]))[0]
    assert many[4] == pytest.approx(-9.75 + 1.7 * np.log1p(40) + 1.5 + 0.4 + 1.2, abs=1e-4)
    quiet = usage_effect(usage(12, [(2, [80], [0])]))[0]
    assert quiet[12] == pytest.approx(-9.75 + 1.2 * np.exp(-9 / 8), abs=1e-4)


def test_the_hazard_of_a_week_rests_on_usage_four_weeks_before_and_on_what_is_on_file():
    log, firm = usage(3, [(1, [5], [9])]), firms(rank=500)
    hazard = weekly_hazard(log, firm)
    assert hazard.shape == (1, 3 + 1 + LAG_WEEKS)
    log_odds = np.log(hazard[0] / (1 - hazard[0]))
    assert log_odds[:LAG_WEEKS] == pytest.approx([-8.7 + 1.1] * LAG_WEEKS)
    assert log_odds[LAG_WEEKS:] == pytest.approx(usage_effect(log)[0] + 1.1, abs=1e-5)


def test_purchases_are_drawn_by_the_hazard_and_by_the_day_of_the_week():
    rng = np.random.default_rng(4)
    hazard = np.tile([0.1, 0.0, 0.3, 0.9], (20_000, 1))
    week, day = draw_purchases(rng, hazard, 3)
    share = [(week == at).mean() for at in range(3)]
    assert share == pytest.approx([0.1, 0.0, 0.9 * 0.3], abs=0.01)
    assert set(week) == {0, 2, NEVER}
    assert (day // 7 == week).all()
    assert np.bincount(day % 7, minlength=7) / day.size == pytest.approx(WEEKDAY_SHARES, abs=0.012)
