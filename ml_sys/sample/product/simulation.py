"""A generated population of workspaces, and what their users do before and after a purchase.

Invariant: what is done before the purchase depends on latent engagement alone, never on the purchase to come,
so that a hazard may depend on it and the true probability be known exactly (see `ml_sys.sample.hazard`).

The constants were set by hand to look like a real product: most workspaces are left after a week or two, few
hold a growing team, and some kinds of event are rare or only there for those who pay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.sample.simulation import NO_VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOG_START = np.datetime64("2024-01-01", "D")
DAY_SECONDS, WEEK_DAYS = 86_400, 7

COUNTRIES = ("US", "IN", "GB", "DE", "BR", "FR", "NG", "CA", "ES", "PL", "JP", "MX")
_COUNTRY_SHARES = (0.26, 0.16, 0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.04, 0.03, 0.02)
_BLANK_COUNTRY = 0.08
SEATS = (1, 2, 3, 5, 10, 25, 50)
_SEAT_SHARES = (0.34, 0.2, 0.16, 0.14, 0.09, 0.05, 0.02)
_BLANK_SEATS = 0.05

KINDS = (
    "page.view", "doc.edit", "comment", "file.upload", "search", "call", "share.link", "template.use",
    "task.done", "import.csv", "export.pdf", "api.call", "theme.change", "survey.answer",
    "invoice.view", "admin.audit",
)  # fmt: skip
CORE_KINDS = 8  # those that breadth is made of
_FREE_KINDS = 14  # the others are there for those who pay
_KIND_WEIGHTS = np.array([9, 6, 3, 2, 2.5, 1.5, 1, 1, 1.6, 0.3, 0.4, 0.8, 0.1, 0.05, 1.0, 0.6])
_KIND_ADOPTION = np.array([1, 0.8, 0.5, 0.4, 0.5, 0.3, 0.35, 0.3, 0.4, 0.15, 0.2, 0.1, 0.3, 0.1, 0, 0])
_KIND_DELAY_WEEKS = 4.0
CALL = KINDS.index("call")
_MEAN_MINUTES, _MINUTE_DIGITS = 18.0, 1

# The kinds of workspace: opened once, now and then, used by a team.
_WORKSPACE_SHARES = (0.5, 0.3, 0.2)
_MEAN_WEEKS = np.array([1.3, 9.0, 45.0])
_PRESENCE = np.array([0.9, 0.5, 0.88])
_EVENTS_PER_USER = np.array([3.0, 4.0, 7.0])
_TEAM = 2
_OPEN_BEFORE_LOG_WEEKS = 20
_MOST_MEMBERS = 60
_DRIFT = 0.1
_GROWING, _GROWTH, _GROWTH_WEEKS = 0.35, 0.9, 8.0
_PAID_PRESENCE, _PAID_TEAM, _PAID_PACE, _PAID_RISE_WEEKS = 0.95, 0.9, 0.6, 8.0

_WEEKDAYS = np.array([0.19, 0.2, 0.2, 0.18, 0.15, 0.04, 0.04])
_HOUR = (13.5, 3.2)  # mean and deviation of the hour of an event


@dataclass(frozen=True)
class Workspaces:
    """n workspaces: what is on file, and what is latent.

    Attributes
    ----------
    signed_up : ndarray of shape (n,), int64
        Day from the log's start; negative before it.
    country, seats : ndarray of shape (n,), int64
        Index into COUNTRIES and SEATS; ``NO_VALUE`` is blank.
    kind, weeks, members, team, pace, rise, rise_start : ndarray of shape (n,)
    adopted_in : ndarray of shape (n, n_kinds), int64
        Week from which each kind of event happens.
    """

    signed_up: NDArray[np.int64]
    country: NDArray[np.int64]
    seats: NDArray[np.int64]
    kind: NDArray[np.int64]
    weeks: NDArray[np.int64]
    members: NDArray[np.int64]
    log_team: NDArray[np.float64]
    log_pace: NDArray[np.float64]
    rise: NDArray[np.float64]
    rise_start: NDArray[np.int64]
    adopted_in: NDArray[np.int64]

    @property
    def week(self) -> NDArray[np.int64]:
        """Week in which each signed up."""
        return self.signed_up // WEEK_DAYS

    def take(self, at: NDArray[np.intp]) -> Workspaces:
        """Return the workspaces at some positions."""
        return Workspaces(**{name: value[at] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Log:
    """m events.

    Attributes
    ----------
    workspace, member : ndarray of shape (m,), int64
        Position of the workspace, and which of its members did it.
    second : ndarray of shape (m,), int64
        From the log's start.
    kind : ndarray of shape (m,), int64
        Index into KINDS.
    minutes : ndarray of shape (m,), float64
        NaN for events that take none.
    """

    workspace: NDArray[np.int64]
    member: NDArray[np.int64]
    second: NDArray[np.int64]
    kind: NDArray[np.int64]
    minutes: NDArray[np.float64]

    @property
    def day(self) -> NDArray[np.int64]:
        """Day of each event from the log's start."""
        return self.second // DAY_SECONDS

    def take(self, at: NDArray[Any]) -> Log:
        """Return the events at some positions, or flagged."""
        return Log(**{name: value[at] for name, value in vars(self).items()})

    def moved(self, to: NDArray[np.int64]) -> Log:
        """Return the same events with the workspaces at other positions."""
        return replace(self, workspace=to[self.workspace])


def joined(logs: list[Log]) -> Log:
    """Put logs together."""
    return Log(**{name: np.concatenate([getattr(log, name) for log in logs]) for name in vars(logs[0])})


def draw_workspaces(rng: np.random.Generator, n: int, weeks: int) -> Workspaces:
    """Draw what is on file of n workspaces, and how they will be used."""
    seats = rng.choice(len(SEATS), size=n, p=_SEAT_SHARES)
    kind = rng.choice(len(_WORKSPACE_SHARES), size=n, p=_WORKSPACE_SHARES)
    signed_up = rng.integers(-WEEK_DAYS * _OPEN_BEFORE_LOG_WEEKS, WEEK_DAYS * weeks, n)
    log_team = rng.normal(-0.4, 0.6, n) + 0.22 * seats + 0.5 * (kind == _TEAM)
    members = (1 + rng.poisson(np.exp(log_team + 0.6))).clip(1, _MOST_MEMBERS)
    country = rng.choice(len(COUNTRIES), size=n, p=_COUNTRY_SHARES)
    week = signed_up // WEEK_DAYS
    delay = rng.geometric(1 / _KIND_DELAY_WEEKS, (n, len(KINDS))) - 1
    delay[:, :2] = 0
    adopts = rng.random((n, len(KINDS))) < _KIND_ADOPTION
    return Workspaces(
        signed_up=signed_up,
        country=np.where(rng.random(n) < _BLANK_COUNTRY, NO_VALUE, country),
        seats=np.where(rng.random(n) < _BLANK_SEATS, NO_VALUE, seats),
        kind=kind,
        weeks=rng.geometric(1 / _MEAN_WEEKS[kind]),
        members=members,
        log_team=log_team,
        log_pace=rng.normal(0, 0.5, n),
        rise=rng.gamma(1.5, _GROWTH, n) * (rng.random(n) < _GROWING),
        rise_start=week + rng.integers(0, 30, n),
        adopted_in=np.where(adopts, week[:, None] + delay, np.iinfo(np.int64).max),
    )


def free_log(rng: np.random.Generator, ones: Workspaces, weeks: int) -> Log:
    """Draw what each workspace would do in every week if it never paid."""
    week = np.arange(weeks)
    age = week - ones.week[:, None]
    present = (age >= 0) & (age < ones.weeks[:, None])
    present &= (rng.random(present.shape) < _PRESENCE[ones.kind][:, None]) | (age == 0)
    at, column = np.nonzero(present)
    drift = np.cumsum(_DRIFT * rng.standard_normal(present.shape), axis=1)[at, column]
    ramp = ones.rise[at] * np.clip((column - ones.rise_start[at]) / _GROWTH_WEEKS, 0, 1)
    active = 1 + rng.poisson(np.exp(ones.log_team[at] + drift + ramp - 0.5))
    pace = _EVENTS_PER_USER[ones.kind[at]] * np.exp(ones.log_pace[at])
    return _events(rng, ones, at, column, active, pace)


def paid_log(rng: np.random.Generator, ones: Workspaces, bought_in: NDArray[np.int64], weeks: int) -> Log:
    """Draw what workspaces do from the week of their purchase on: more of them do more.

    Parameters
    ----------
    bought_in : ndarray of shape (n,), int64
        Week of the purchase.
    """
    since = np.arange(weeks) - bought_in[:, None]
    present = (since >= 0) & (rng.random(since.shape) < _PAID_PRESENCE)
    at, column = np.nonzero(present)
    risen = 1 - np.exp(-(1 + since[at, column]) / _PAID_RISE_WEEKS)
    active = 1 + rng.poisson(np.exp(np.maximum(ones.log_team[at], 0.2) + _PAID_TEAM * risen))
    pace = _EVENTS_PER_USER[_TEAM] * np.exp(ones.log_pace[at] + _PAID_PACE * risen)
    paying = ones.adopted_in.copy()
    paying[:, _FREE_KINDS:] = bought_in[:, None]
    return _events(rng, replace(ones, adopted_in=paying), at, column, active, pace)


def _events(
    rng: np.random.Generator,
    ones: Workspaces,
    at: NDArray[np.intp],
    week: NDArray[np.intp],
    active: NDArray[np.int64],
    pace: NDArray[np.float64],
) -> Log:
    """Draw the events of some weeks of some workspaces, none before the sign-up."""
    active = np.minimum(active, ones.members[at])
    row = np.repeat(np.arange(len(at)), active)
    first = np.repeat(np.cumsum(active) - active, active)
    # The first member leads; who else is there changes from week to week.
    turn = rng.integers(0, 1 << 30, len(at))[row] * (np.arange(len(row)) > first)
    place = np.arange(len(row)) - first
    others = np.maximum(ones.members[at][row] - 1, 1)
    member = np.where(place == 0, 0, 1 + (turn + place) % others)
    done = 1 + rng.poisson(np.maximum(pace[row] - 1, 0) * rng.gamma(2.0, 0.5, len(row)))
    of_user = np.repeat(np.arange(len(row)), done)
    row = row[of_user]
    m = len(row)

    weights = _KIND_WEIGHTS * (ones.adopted_in[at] <= week[:, None])
    bounds = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    kind = (rng.random(m, dtype=np.float32)[:, None] >= bounds.astype(np.float32)[row]).sum(axis=1)
    kind = np.minimum(kind, len(KINDS) - 1)
    day = WEEK_DAYS * week[row] + rng.choice(WEEK_DAYS, size=m, p=_WEEKDAYS)
    hour = rng.normal(*_HOUR, m) % 24
    minutes = np.round(rng.exponential(_MEAN_MINUTES, m), _MINUTE_DIGITS)
    log = Log(
        workspace=at[row].astype(np.int64),
        member=member[of_user],
        second=DAY_SECONDS * day + np.minimum((3600 * hour).astype(np.int64), DAY_SECONDS - 1),
        kind=kind.astype(np.int64),
        minutes=np.where(kind == CALL, minutes, np.nan),
    )
    return log.take(log.day >= ones.signed_up[log.workspace])
