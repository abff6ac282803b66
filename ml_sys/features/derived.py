"""Derived features: small named functions on window columns, in one registry.

A feature is one decorated function::

    @feature(group="intensity")
    def actions_per_user_28d(usage: Usage) -> NDArray[np.float32]:
        return ratio(usage.actions(28), usage.users(28))

It sees window columns of one panel and nothing else, so it cannot look past the cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_sys.elementary import log, log1p
from ml_sys.errors import ResolveError
from ml_sys.features.windows import NEVER, WindowStats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Column = NDArray[np.float32]

OBJECTS = ("contacts", "companies", "deals", "email")
WINDOWS_DAYS = (7, 14, 28, 56, 91)
# Stands for "never" in columns that count days since something; longer than any log we have met.
NEVER_DAYS = 2000.0


@dataclass(frozen=True)
class Usage:
    """Window columns of a panel, flattened to one value per (company, cutoff).

    Attributes
    ----------
    stats : WindowStats
        Of n_companies × n_cutoffs.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Days since 1970-01-01.
    windows_days : sequence of int
        Lengths of the windows in ``stats``.
    """

    stats: WindowStats
    cutoffs: NDArray[np.int32]
    windows_days: Sequence[int]

    def actions(self, days: int, obj: str | None = None) -> Column:
        """Actions in the window, of one object or of all."""
        return self._sum(days, 0, obj)

    def users(self, days: int, obj: str | None = None) -> Column:
        """User-weeks in the window: users of each week, added up, of one object or of all."""
        return self._sum(days, len(OBJECTS), obj)

    def most_users(self, days: int, obj: str | None = None) -> Column:
        """Most users in a single week of the window, of one object or of the busiest."""
        assert self.stats.maxima is not None  # noqa: S101 - features are computed with maxima
        block = self.stats.maxima[:, :, self._at(days), len(OBJECTS) :]
        return (block.max(axis=-1) if obj is None else block[..., OBJECTS.index(obj)]).ravel()

    def weeks_present(self, days: int) -> Column:
        """Rows in the window."""
        return self.stats.present[:, :, self._at(days)].ravel()

    def weeks_active(self, days: int) -> Column:
        """Rows with any action in the window."""
        return self.stats.active[:, :, self._at(days)].ravel()

    def days_since(self, what: str) -> Column:
        """Days from the ``first``, ``last`` or ``last_active`` row to the cutoff, or ``NEVER_DAYS``."""
        day = getattr(self.stats, what)
        since = self.cutoffs[None, :].astype(np.float64) - day
        return np.where(day == NEVER, NEVER_DAYS, since).astype(np.float32).ravel()

    def _sum(self, days: int, offset: int, obj: str | None) -> Column:
        block = self.stats.sums[:, :, self._at(days), offset : offset + len(OBJECTS)]
        total: Column = (block.sum(axis=-1) if obj is None else block[..., OBJECTS.index(obj)]).ravel()
        return total

    def _at(self, days: int) -> int:
        return list(self.windows_days).index(days)


@dataclass(frozen=True)
class Feature:
    """A named derived feature and the group it is switched on and off with."""

    name: str
    group: str
    function: Callable[[Usage], Column]


FEATURES: dict[str, Feature] = {}


def feature(
    *, group: str, name: str = ""
) -> Callable[[Callable[[Usage], Column]], Callable[[Usage], Column]]:
    """Register a function of :class:`Usage` as a feature, under its own name unless ``name`` is given.

    Raises
    ------
    ResolveError
        If another module has registered a feature of that name.
    """

    def register(function: Callable[[Usage], Column]) -> Callable[[Usage], Column]:
        entry = Feature(name or function.__name__, group, function)
        taken = FEATURES.get(entry.name, entry).function.__module__
        if taken != function.__module__:
            raise ResolveError(
                f"feature {entry.name!r} is defined in {taken} already", hint="give it another name"
            )
        FEATURES[entry.name] = entry
        return function

    return register


def ratio(above: Column, below: Column) -> Column:
    """Divide, with 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def growth(recent: Column, recent_days: int, longer: Column, longer_days: int) -> Column:
    """Rate of a window over that of the longer one that contains it; 0 where the longer one is empty."""
    return ratio(recent, longer) * np.float32(longer_days / recent_days)


@feature(group="tenure")
def days_since_first_row(usage: Usage) -> Column:
    """Days since the company first appeared."""
    return usage.days_since("first")


@feature(group="recency")
def days_since_last_row(usage: Usage) -> Column:
    """Days since the company last appeared."""
    return usage.days_since("last")


@feature(group="recency")
def days_since_last_active(usage: Usage) -> Column:
    """Days since the company last did anything."""
    return usage.days_since("last_active")


@feature(group="tenure")
def present_share_91d(usage: Usage) -> Column:
    """Share of the weeks since the first row, at most 13, in which the company appeared."""
    weeks = np.clip(usage.days_since("first") / 7 + 1, 1, 13)
    return (usage.weeks_present(91) / weeks).astype(np.float32)


@feature(group="users")
def most_users_28d(usage: Usage) -> Column:
    """Most users of one object in any of the last four weeks."""
    return usage.most_users(28)


@feature(group="users")
def most_users_91d(usage: Usage) -> Column:
    """Most users of one object in any of the last thirteen weeks."""
    return usage.most_users(91)


@feature(group="users")
def users_growth_7d_28d(usage: Usage) -> Column:
    """Users of the last week against the last four."""
    return growth(usage.users(7), 7, usage.users(28), 28)


@feature(group="users")
def users_growth_28d_91d(usage: Usage) -> Column:
    """Users of the last four weeks against the last thirteen."""
    return growth(usage.users(28), 28, usage.users(91), 91)


@feature(group="users")
def users_per_active_week_28d(usage: Usage) -> Column:
    """Users in an average active week of the last four."""
    return ratio(usage.users(28), usage.weeks_active(28))


@feature(group="intensity")
def actions_per_user_28d(usage: Usage) -> Column:
    """Actions per user and week in the last four weeks."""
    return ratio(usage.actions(28), usage.users(28))


@feature(group="intensity")
def actions_per_active_week_28d(usage: Usage) -> Column:
    """Actions in an average active week of the last four."""
    return ratio(usage.actions(28), usage.weeks_active(28))


@feature(group="intensity")
def actions_per_active_week_91d(usage: Usage) -> Column:
    """Actions in an average active week of the last thirteen."""
    return ratio(usage.actions(91), usage.weeks_active(91))


@feature(group="trend")
def actions_growth_7d_28d(usage: Usage) -> Column:
    """Actions of the last week against the last four."""
    return growth(usage.actions(7), 7, usage.actions(28), 28)


@feature(group="trend")
def actions_growth_28d_91d(usage: Usage) -> Column:
    """Actions of the last four weeks against the last thirteen."""
    return growth(usage.actions(28), 28, usage.actions(91), 91)


@feature(group="trend")
def actions_week_over_week(usage: Usage) -> Column:
    """Last week's actions minus the week's before, on a log scale."""
    last = usage.actions(7)
    return (log1p(last) - log1p(usage.actions(14) - last)).astype(np.float32)


@feature(group="trend")
def users_change_28d(usage: Usage) -> Column:
    """User-weeks of the last four weeks minus those of the four before."""
    return 2 * usage.users(28) - usage.users(56)


@feature(group="breadth")
def object_entropy_28d(usage: Usage) -> Column:
    """How evenly actions spread over objects in the last four weeks, in nats."""
    return _entropy([usage.actions(28, obj) for obj in OBJECTS])


@feature(group="breadth")
def objects_used_28d(usage: Usage) -> Column:
    """Objects with any action in the last four weeks."""
    return _objects_used(usage, 28)


@feature(group="breadth")
def objects_used_91d(usage: Usage) -> Column:
    """Objects with any action in the last thirteen weeks."""
    return _objects_used(usage, 91)


def _objects_used(usage: Usage, days: int) -> Column:
    used: Column = np.sum([usage.actions(days, obj) > 0 for obj in OBJECTS], axis=0, dtype=np.float32)
    return used


def _entropy(parts: Sequence[Column]) -> Column:
    total = np.sum(parts, axis=0, dtype=np.float64)
    out = np.zeros_like(total)
    for part in parts:
        share = np.divide(part, total, out=np.zeros_like(total), where=total > 0)
        out -= share * log(np.where(share > 0, share, 1.0))
    return out.astype(np.float32)


def _actions(days: int) -> Callable[[Usage], Column]:
    return lambda usage: usage.actions(days)


def _users(days: int) -> Callable[[Usage], Column]:
    return lambda usage: usage.users(days)


def _share(obj: str) -> Callable[[Usage], Column]:
    return lambda usage: ratio(usage.actions(28, obj), usage.actions(28))


def _register_families() -> None:
    """Register features that exist once per window or object."""
    for days in WINDOWS_DAYS:
        feature(group="totals", name=f"actions_{days}d")(_actions(days))
        feature(group="users", name=f"users_{days}d")(_users(days))
    for obj in OBJECTS:
        feature(group="breadth", name=f"share_{obj}_28d")(_share(obj))


_register_families()
