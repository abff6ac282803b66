"""A generated population: firmographics, and usage before and after a purchase.

Invariant: usage before the purchase depends on latent engagement alone, never on the purchase to come.
Whoever simulates a purchase may therefore let its hazard depend on that usage and know the true probability
exactly (see `ml_sys.sample.hazard`). Companies are drawn independently of each other and of their position,
so position says nothing about the outcome.

The constants were set by hand to look like a real freemium log: a row per company and week with use, two
fifths of the rows all zero, most companies gone after a week or two, few growing teams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOG_START = np.datetime64("2019-01-07", "D")
OBJECTS = ("CRM_CONTACTS", "CRM_COMPANIES", "CRM_DEALS", "EMAIL")
UNRANKED = 16_000_001
NO_VALUE = -1
NEVER = 1_000_000

EMPLOYEE_RANGES = (
    "1", "2 to 5", "6 to 10", "11 to 25", "26 to 50", "51 to 200", "201 to 1000", "1001 to 10000",
    "10,001 or more",
)  # fmt: skip
_EMPLOYEE_SHARES = (0.13, 0.23, 0.21, 0.08, 0.12, 0.09, 0.07, 0.06, 0.01)
INDUSTRY_SHARES = {
    "COMPUTER_SOFTWARE": 0.17, "Technology - Software": 0.05, "Software": 0.02, "SaaS": 0.01,
    "INFORMATION_TECHNOLOGY_AND_SERVICES": 0.06, "Computers, Networking, Software, Technology": 0.01,
    "MARKETING_AND_ADVERTISING": 0.08, "Marketing Services": 0.03, "HIGHER_EDUCATION": 0.07,
    "EDUCATION_MANAGEMENT": 0.03, "Education": 0.02, "Non-Profit/Educational Institution": 0.05,
    "NON_PROFIT_ORGANIZATION_MANAGEMENT": 0.02, "REAL_ESTATE": 0.05, "Other": 0.04, "CONSUMER_SERVICES": 0.03,
    "Consulting/Advisory": 0.03, "MANAGEMENT_CONSULTING": 0.02, "FINANCIAL_SERVICES": 0.03,
    "Finance and Insurance": 0.02, "INSURANCE": 0.02, "Manufacturing": 0.03, "CONSTRUCTION": 0.03,
    "RETAIL": 0.02, "HEALTH_WELLNESS_AND_FITNESS": 0.02, "Healthcare": 0.01, "AUTOMOTIVE": 0.01,
    "DESIGN": 0.01, "RESTAURANTS": 0.01,
}  # fmt: skip
INDUSTRIES = tuple(INDUSTRY_SHARES)

_BLANK_EMPLOYEES, _BLANK_RANK, _BLANK_INDUSTRY = 0.11, 0.03, 0.73
_UNRANKED_SHARE = 0.65
_RANK_LOG10 = (6.1, 0.75)  # mean and deviation of log10(rank) of ranked companies
_RANK_MAX = 11_000_000

# The kinds of portal: never opened, tried once, opened now and then, used by a team.
_KIND_SHARES = (0.34, 0.39, 0.175, 0.095)
_MEAN_WEEKS = np.array([1.0, 2.0, 11.0, 55.0])
_PRESENCE = np.array([0.0, 0.8, 0.5, 0.9], dtype=np.float32)
_ACTIVITY = np.array([0.0, 0.14, 0.28, 0.78], dtype=np.float32)
_TEAM, _OPEN_BEFORE_LOG_WEEKS = 3, 12
_OBJECT_ADOPTION = np.array([0.95, 0.55, 0.5, 0.3])
_OBJECT_USERS = np.array([[0.6, 1.0], [0.3, 0.9], [0.3, 0.9], [0.1, 0.4]])  # share of the team, low and high
_OBJECT_PACE = np.array([14.0, 7.0, 9.0, 3.0], dtype=np.float32)  # actions a user and week
_PAID_PRESENCE, _PAID_ACTIVITY, _PAID_RISE, _PAID_RISE_WEEKS = 0.72, 0.82, 1.0, 12.0


@dataclass(frozen=True)
class Firms:
    """Firmographics of n companies, as known before and after a purchase (``NO_VALUE`` is blank).

    Attributes
    ----------
    employees, rank, industry : ndarray of shape (n,), int64
        What is on file of a prospect: index into EMPLOYEE_RANGES, web rank, index into INDUSTRIES.
    employees_if_paid, rank_if_paid : ndarray of shape (n,), int64
        What is on file once it pays: blanks are mostly filled in then.
    """

    employees: NDArray[np.int64]
    rank: NDArray[np.int64]
    industry: NDArray[np.int64]
    employees_if_paid: NDArray[np.int64]
    rank_if_paid: NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedUsage:
    """Weekly usage of n companies over w weeks.

    Attributes
    ----------
    present : ndarray of shape (n, w), bool
        Whether the log has a row.
    users, actions : ndarray of shape (n, w, 4), int32
        Counts per object in the order of OBJECTS; zero where there is no row.
    """

    present: NDArray[np.bool_]
    users: NDArray[np.int32]
    actions: NDArray[np.int32]


@dataclass(frozen=True)
class Portals:
    """What is latent about n companies: when they come, how large and how keen the team is."""

    kind: NDArray[np.int64]
    opened: NDArray[np.int64]
    closed: NDArray[np.int64]
    log_team: NDArray[np.float32]
    object_share: NDArray[np.float64]
    object_since: NDArray[np.int64]
    log_pace: NDArray[np.float32]


def draw_firms(rng: np.random.Generator, n: int) -> Firms:
    """Draw the firmographics of n companies."""
    employees = rng.choice(len(EMPLOYEE_RANGES), size=n, p=_EMPLOYEE_SHARES)
    ranked = np.clip(10 ** rng.normal(*_RANK_LOG10, size=n), 10, _RANK_MAX).astype(np.int64)
    rank = np.where(rng.random(n) < _UNRANKED_SHARE, UNRANKED, ranked)
    shares = np.array(list(INDUSTRY_SHARES.values()))
    industry = rng.choice(len(INDUSTRIES), size=n, p=shares / shares.sum())
    blank_employees = rng.random(n) < _BLANK_EMPLOYEES
    return Firms(
        employees=np.where(blank_employees, NO_VALUE, employees),
        rank=np.where(rng.random(n) < _BLANK_RANK, NO_VALUE, rank),
        industry=np.where(rng.random(n) < _BLANK_INDUSTRY, NO_VALUE, industry),
        employees_if_paid=np.where(blank_employees & (rng.random(n) < 0.1), NO_VALUE, employees),
        rank_if_paid=rank,
    )


def draw_portals(rng: np.random.Generator, firms: Firms, weeks: int) -> Portals:
    """Draw when each company opens its portal, for how long, and the team that uses it."""
    n = len(firms.employees)
    kind = rng.choice(len(_KIND_SHARES), size=n, p=_KIND_SHARES)
    opened = np.where(kind == 0, NEVER, rng.integers(-_OPEN_BEFORE_LOG_WEEKS, weeks, size=n))
    size = np.minimum(firms.employees_if_paid.clip(0), 6)  # the largest firms open small trial teams
    low, high = _OBJECT_USERS.T
    return Portals(
        kind=kind,
        opened=opened,
        closed=opened + rng.geometric(1 / _MEAN_WEEKS[kind]),
        log_team=(rng.normal(-0.7, 0.8, n) + 0.18 * size + 0.8 * (kind == _TEAM)).astype(np.float32),
        object_share=rng.uniform(low, high, (n, 4)) * (rng.random((n, 4)) < _OBJECT_ADOPTION),
        object_since=opened[:, None] + rng.geometric(1 / np.array([1.0, 6.0, 8.0, 8.0]), (n, 4)) - 1,
        log_pace=rng.normal(0, 0.8, n).astype(np.float32),
    )


def free_usage(rng: np.random.Generator, portals: Portals, weeks: int) -> SimulatedUsage:
    """Simulate what each company would use in every week if it never paid."""
    n = len(portals.kind)
    week = np.arange(weeks)
    season = seasonality(weeks)
    alive = (week >= portals.opened[:, None]) & (week < portals.closed[:, None])
    present = alive & (
        (rng.random((n, weeks), dtype=np.float32) < _PRESENCE[portals.kind][:, None] * (0.5 + 0.5 * season))
        | (week == portals.opened[:, None])
    )
    active = present & (rng.random((n, weeks), dtype=np.float32) < _ACTIVITY[portals.kind][:, None])
    row, column = np.nonzero(active)

    drift = np.cumsum(0.09 * rng.standard_normal((n, weeks), dtype=np.float32), axis=1)
    rise = (rng.gamma(1.0, 0.8, n) * (rng.random(n) < 0.4)).astype(np.float32)
    rise_start = portals.opened + rng.integers(0, 40, n)
    ramp = rise[row] * np.clip((column - rise_start[row]) / 8, 0, 1)
    mean_users = np.exp(portals.log_team[row] + drift[row, column] + ramp) * season[column]
    share = portals.object_share[row] * (column[:, None] >= portals.object_since[row])
    return _with_counts(rng, present, (row, column), mean_users, share, portals.log_pace)


def paid_usage(
    rng: np.random.Generator, free: SimulatedUsage, portals: Portals, closed_in: NDArray[np.int64]
) -> SimulatedUsage:
    """Replace usage from the week of the purchase on: it continues, and rises.

    Parameters
    ----------
    free : SimulatedUsage
        Usage had the company never paid; (n, w).
    closed_in : ndarray of shape (n,), int64
        Week of the purchase; negative before the log, NEVER for none.

    Returns
    -------
    SimulatedUsage
        Equal to ``free`` in every week before the purchase.
    """
    n, weeks = free.present.shape
    buyers = np.flatnonzero(closed_in < weeks)
    since = np.arange(weeks) - closed_in[buyers, None]
    had_opened = portals.opened[buyers] < closed_in[buyers]
    first = np.where(had_opened, 0, rng.geometric(0.4, len(buyers)) - 1)
    first = np.where(rng.random(len(buyers)) < 0.05, NEVER, first)
    season = seasonality(weeks)
    shape = (len(buyers), weeks)
    present = (since >= first[:, None]) & (rng.random(shape) < _PAID_PRESENCE)
    active = present & (rng.random(shape) < _PAID_ACTIVITY)
    row, column = np.nonzero(active)
    risen = 1 - np.exp(-since[row, column] / _PAID_RISE_WEEKS)
    log_team = np.maximum(portals.log_team[buyers], 0.3)[row]
    mean_users = np.exp(log_team + 0.2 + _PAID_RISE * risen) * season[column]
    share = (1 - 0.6 * (1 - portals.object_share[buyers]))[row]
    paid = _with_counts(
        rng, present, (row, column), mean_users, share, portals.log_pace[buyers] + np.float32(0.3)
    )

    after = np.zeros((n, weeks), dtype=bool)
    after[buyers] = since >= 0
    present_all, users, actions = free.present.copy(), free.users.copy(), free.actions.copy()
    present_all[after] = paid.present[since >= 0]
    users[after] = paid.users[since >= 0]
    actions[after] = paid.actions[since >= 0]
    return SimulatedUsage(present_all, users, actions)


def seasonality(weeks: int) -> NDArray[np.float32]:
    """Return the factor on weekly usage: winter holidays, Thanksgiving, Easter time and summer are quiet.

    Returns
    -------
    ndarray of shape (weeks,), float32
    """
    monday = LOG_START + 7 * np.arange(weeks)
    day = (monday - monday.astype("datetime64[Y]")).astype(int)  # 0 is 1 January
    quiet = np.ones(weeks, dtype=np.float32)
    for first_day, last_day, factor in ((192, 235, 0.85), (98, 106, 0.85), (324, 331, 0.8), (354, 366, 0.45)):
        quiet[(day >= first_day) & (day <= last_day)] = factor
    return quiet


def _with_counts(
    rng: np.random.Generator,
    present: NDArray[np.bool_],
    active: tuple[NDArray[np.intp], NDArray[np.intp]],
    mean_users: NDArray[np.floating],
    share: NDArray[np.float64],
    log_pace: NDArray[np.float32],
) -> SimulatedUsage:
    """Draw users and actions of the active rows; actions are positive exactly where users are."""
    users = np.zeros((*present.shape, len(OBJECTS)), dtype=np.int32)
    actions = np.zeros_like(users)
    team = 1 + rng.poisson(mean_users)
    using = rng.binomial(team[:, None], share).astype(np.int32)
    noise = rng.standard_normal(using.shape, dtype=np.float32)
    pace = _OBJECT_PACE * np.exp(log_pace[active[0], None] + 0.9 * noise)
    users[active] = using
    actions[active] = using + (using * pace).astype(np.int32)
    return SimulatedUsage(present, users, actions)
