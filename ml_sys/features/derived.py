"""The window columns that features are computed from, and the registry of the user's own features.

A feature is one decorated function::

    @feature(group="intensity")
    def actions_per_user_28d(usage: Usage) -> NDArray[np.float32]:
        return ratio(usage.actions(28), usage.users(28))

It sees window columns of one panel and nothing else, so it cannot look past the cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_sys.errors import ResolveError
from ml_sys.features.windows import NEVER, WindowStats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml_sys.features.spans import Spans
    from ml_sys.form import Form, Role

Column = NDArray[np.float32]

# Stands for "never" in columns that count days since something; longer than any log we have met.
NEVER_DAYS = 2000.0
# Numbers of which NumPy adds fewer one after the other, and as many or more in another order.
_IN_TURN = 8


@dataclass(frozen=True)
class History:
    """The whole history of each company up to each cutoff.

    Attributes
    ----------
    began : ndarray of shape (n_companies,), int32
        First day of each; ``NEVER`` if unknown.
    first_uses : ndarray of shape (n_companies, n_cutoffs, n_measures), int32
        Day of the first row with any of a measure; ``NEVER`` if there is none by the cutoff.
    totals : ndarray of the same shape, float32
        Total of a measure by the cutoff.
    """

    began: NDArray[np.int32]
    first_uses: NDArray[np.int32]
    totals: NDArray[np.float32]


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
    form : Form
        The measures.
    spans : Spans
        The role of each window.
    history : History or None
        None if no feature needs it.
    """

    stats: WindowStats
    cutoffs: NDArray[np.int32]
    windows_days: Sequence[int]
    form: Form
    spans: Spans
    history: History | None = None
    _totals: dict[tuple[int, Role, str | None], Column] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def actions(self, days: int, obj: str | None = None) -> Column:
        """Actions in the window, of one object or of all."""
        return self._sum(days, "actions", obj)

    def users(self, days: int, obj: str | None = None) -> Column:
        """Users of each row of the window, added up, of one object or of all."""
        return self._sum(days, "users", obj)

    def amount(self, days: int, measure: str) -> Column:
        """Total of a measure in the window, by its name."""
        at = self.form.measure_names.index(measure)
        total: Column = self.stats.sums[:, :, self._at(days), at].ravel()
        return total

    def most_users(self, days: int, obj: str | None = None) -> Column:
        """Most users in a single row of the window, of one object or of the busiest."""
        assert self.stats.maxima is not None  # noqa: S101 - features are computed with maxima
        block = self.stats.maxima[:, :, self._at(days)][..., self._places("users", obj)]
        most: Column = block.max(axis=-1).ravel()
        return most

    def rows_present(self, days: int) -> Column:
        """Rows in the window: weeks, where a row covers a week."""
        return self.stats.present[:, :, self._at(days)].ravel()

    def rows_active(self, days: int) -> Column:
        """Rows with any action or amount in the window."""
        return self.stats.active[:, :, self._at(days)].ravel()

    # The names that these had when every row was a week.
    weeks_present, weeks_active = rows_present, rows_active

    def days_since(self, what: str) -> Column:
        """Days from the ``first``, ``last`` or ``last_active`` row to the cutoff, or ``NEVER_DAYS``."""
        return self._since(getattr(self.stats, what))

    def days_since_first_use(self, obj: str) -> Column:
        """Days from the first row with any action on an object to the cutoff, or ``NEVER_DAYS``."""
        first = self._history().first_uses[:, :, self._places("actions", obj)]
        # Never is the smallest of all days, and would come before the first.
        day = np.where(first == NEVER, np.iinfo(np.int32).max, first).min(axis=-1)
        return self._since(np.where(day == np.iinfo(np.int32).max, NEVER, day))

    def days_since_began(self) -> Column:
        """Days since the entity's first day; blank if unknown."""
        began = self._history().began[:, None]
        days = self.cutoffs[None, :].astype(np.float64) - began
        return np.where(began == NEVER, np.nan, days).astype(np.float32).ravel()

    def all_actions(self) -> Column:
        """All actions before the cutoff."""
        return _total(self._history().totals, self._places("actions", None))

    def _history(self) -> History:
        assert self.history is not None  # noqa: S101 - there for the features that ask for it
        return self.history

    def _since(self, day: NDArray[np.int32]) -> Column:
        since = self.cutoffs[None, :].astype(np.float64) - day
        return np.where(day == NEVER, NEVER_DAYS, since).astype(np.float32).ravel()

    def _sum(self, days: int, role: Role, obj: str | None) -> Column:
        asked = days, role, obj
        if asked not in self._totals:  # most are asked for by several features
            self._totals[asked] = _total(self.stats.sums[:, :, self._at(days)], self._places(role, obj))
        return self._totals[asked].copy()

    def _places(self, role: Role, obj: str | None) -> slice | list[int]:
        """Return the positions of a role's measures, which are consecutive, or of those of one object."""
        places = self.form.of_role(role)
        if obj is None:
            return slice(places[0], places[-1] + 1) if places else slice(0, 0)
        of_object = [at for at in places if self.form.measures[at].object == obj]
        if not of_object:
            raise KeyError(f"no {role} are counted of {obj!r}")
        return of_object

    def _at(self, days: int) -> int:
        return list(self.windows_days).index(days)


def _total(sums: NDArray[np.float32], places: slice | list[int]) -> Column:
    chosen = sums[..., places]
    total: Column
    if 0 < chosen.shape[-1] < _IN_TURN:  # as NumPy adds them, but all companies at once
        first, *others = (chosen[..., at] for at in range(chosen.shape[-1]))
        total = sum(others, start=first.copy())
    else:
        total = chosen.sum(axis=-1)
    return total.ravel()


@dataclass(frozen=True)
class Feature:
    """A named derived feature, and the group by which it is switched on and off."""

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
    """Rate of a window over that of the longer one that contains it; 0 if the longer one is empty."""
    return ratio(recent, longer) * np.float32(longer_days / recent_days)
