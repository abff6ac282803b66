"""The population: quiet weeks, portals that open and close, and usage that goes on after the purchase."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.sample.simulation import (
    INDUSTRIES,
    INDUSTRY_SHARES,
    LOG_START,
    NEVER,
    NO_VALUE,
    UNRANKED,
    draw_firms,
    draw_portals,
    free_usage,
    paid_usage,
    seasonality,
)

WEEKS = 30


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(8)
    firms = draw_firms(rng, 3000)
    portals = draw_portals(rng, firms, WEEKS)
    return firms, portals, free_usage(rng, portals, WEEKS)


@pytest.mark.parametrize(
    ("monday", "factor"),
    [
        ("2019-01-07", 1.0),
        ("2019-04-08", 1.0),  # the 97th day after the first
        ("2019-04-15", 0.85),
        ("2019-04-22", 1.0),
        ("2019-07-08", 1.0),
        ("2019-07-15", 0.85),
        ("2019-08-19", 0.85),
        ("2019-08-26", 1.0),
        ("2019-11-25", 0.8),
        ("2019-12-16", 1.0),
        ("2019-12-23", 0.45),
        ("2019-12-30", 0.45),
        ("2020-01-06", 1.0),
    ],
)
def test_some_weeks_are_quiet(monday, factor):
    at = int((np.datetime64(monday) - LOG_START) / np.timedelta64(7, "D"))
    assert seasonality(at + 1)[at] == pytest.approx(factor)


def test_blanks_are_filled_in_once_a_company_pays(world):
    firms, _, _ = world
    blank = firms.employees == NO_VALUE
    assert blank.mean() == pytest.approx(0.11, abs=0.02)
    assert 0 < (firms.employees_if_paid == NO_VALUE).sum() < 0.25 * blank.sum()
    assert (firms.employees == firms.employees_if_paid)[~blank].all()
    assert (firms.rank_if_paid != NO_VALUE).all()
    assert (firms.rank_if_paid == UNRANKED).mean() == pytest.approx(0.65, abs=0.03)
    known = firms.rank != NO_VALUE
    assert (firms.rank == firms.rank_if_paid)[known].all()
    assert (~known).mean() == pytest.approx(0.03, abs=0.012)
    assert (firms.industry == NO_VALUE).mean() == pytest.approx(0.73, abs=0.03)


def test_a_portal_that_was_never_opened_has_no_usage_and_others_from_their_week_on(world):
    _, portals, usage = world
    assert ((portals.kind == 0) == (portals.opened == NEVER)).all()
    assert not usage.present[portals.kind == 0].any()
    at = np.flatnonzero((portals.opened >= 0) & (portals.opened < WEEKS))
    assert usage.present[at, portals.opened[at]].all()  # whoever opens one is there that week
    week = np.arange(WEEKS)
    outside = (week < portals.opened[:, None]) | (week >= portals.closed[:, None])
    assert not usage.present[outside].any()
    assert (portals.closed > portals.opened).all()


def test_nothing_is_done_without_a_row_and_actions_are_of_users(world):
    _, _, usage = world
    assert not usage.users[~usage.present].any()
    assert ((usage.actions > 0) == (usage.users > 0)).all()
    assert (usage.actions >= usage.users).all()
    zero = (usage.users.sum(axis=2) == 0)[usage.present].mean()
    assert 0.25 < zero < 0.75


def test_usage_before_the_purchase_is_what_it_would_have_been_and_rises_after(world):
    _, portals, free = world
    closed = np.full(3000, NEVER)
    closed[:1500] = 10
    closed[1500:1600] = -5
    paid = paid_usage(np.random.default_rng(1), free, portals, closed)
    assert (paid.users[:1500, :10] == free.users[:1500, :10]).all()
    assert (paid.present[1600:] == free.present[1600:]).all()
    assert (paid.actions[1600:] == free.actions[1600:]).all()
    assert paid.present[:1500, 10:].mean() > 2 * free.present[:1500, 10:].mean()
    there = paid.users[:1500].sum(axis=2)
    assert there[:, 22:].mean() > 1.2 * there[:, 10:14].mean()
    had = portals.opened[:1500] < 10
    assert paid.present[:1500, 10][had].mean() > paid.present[:1500, 10][~had].mean()


def test_ranks_industries_and_teams_are_as_common_as_they_are_set(world):
    firms, portals, _ = world
    ranked = np.log10(firms.rank_if_paid[firms.rank_if_paid != UNRANKED])
    assert (ranked.mean(), ranked.std()) == pytest.approx((6.04, 0.69), abs=0.08)
    assert np.unique(ranked).size > 900
    known = firms.industry[firms.industry != NO_VALUE]
    found = np.bincount(known, minlength=len(INDUSTRIES)) / known.size
    shares = np.array(list(INDUSTRY_SHARES.values()))
    assert found == pytest.approx(shares / shares.sum(), abs=0.03)
    used = portals.object_share > 0
    assert used.mean(axis=0) == pytest.approx([0.95, 0.55, 0.5, 0.3], abs=0.04)


def test_larger_firms_and_those_that_come_as_a_team_have_larger_teams(world):
    firms, portals, _ = world
    size = np.minimum(firms.employees_if_paid.clip(0), 6)
    alone = portals.kind != 3
    slope, least = np.polyfit(size[alone], portals.log_team[alone], 1)
    assert (slope, least) == pytest.approx((0.18, -0.7), abs=0.07)
    more = portals.log_team[~alone] - (least + slope * size[~alone])
    assert more.mean() == pytest.approx(0.8, abs=0.15)


def test_some_who_pay_never_use_anything_again(world):
    _, portals, free = world
    paid = paid_usage(np.random.default_rng(1), free, portals, np.full(3000, 5))
    assert (~paid.present[:, 5:].any(axis=1)).mean() == pytest.approx(0.05, abs=0.02)
