"""The result of a monitoring: checks, each with what is seen, what was expected, and whether it rings.

Every effect is measured so that more is worse, and a check rings when its effect passes the limit. If chance
could explain it, the p-value, adjusted for all checks of its kind, has to be small as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.outcomes.drift import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.engine.places import Place

Group = Literal["arrival", "inputs", "scores", "outcomes", "age"]
Unit = Literal["days", "rows", "companies", "share", "value", "conversions", "times"]

# Groups whose p-values are adjusted with those of another one.
_FAMILIES = {"scores": "inputs"}


@dataclass(frozen=True)
class Limits:
    """Limits beyond which checks ring; the settings' group ``monitor`` describes each."""

    alpha: float
    permutations: int
    weeks: int
    late_days: int
    max_arrival_change: float
    max_volume_change: float
    max_lost: float
    max_rejected_rise: float
    max_distance: float
    max_use_change: float
    max_blank_rise: float
    max_unseen_rise: float
    max_score_distance: float
    max_flattening: float
    max_conversion_factor: float
    max_model_days: int


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes
    ----------
    group : str
        Its kind.
    name : str
        What it looks at; the same in every output.
    now, reference : float
        What is seen and what was expected, in ``unit``; NaN if there is nothing to see.
    unit : str
    effect : float
        How far apart the two are; more is worse.
    limit : float
        The check rings if the effect is larger.
    p : float or None
        Adjusted p-value; None if chance plays no part.
    alarm : bool
    """

    group: Group
    name: str
    now: float
    reference: float
    unit: Unit
    effect: float
    limit: float
    p: float | None = None
    alarm: bool = False


@dataclass(frozen=True)
class Moved:
    """How far a feature has moved: its population stability index, by tenths or by levels."""

    feature: str
    stability_index: float


@dataclass(frozen=True)
class Matured:
    """A past list whose outcome is known, either made again by the version or as it was handed out.

    Attributes
    ----------
    cutoff : str
    expected : float
        Sum of the probabilities of all prospects.
    low, high : int
        Bounds of the count in 95 % of cases if the probabilities are right.
    came : int
        Number of conversions.
    """

    cutoff: str
    prospects: int
    expected: float
    low: int
    high: int
    came: int


@dataclass(frozen=True)
class Challenger:
    """Another version in the shadow of production: it scores the same lists.

    Attributes
    ----------
    shared : int
        Companies among the first ``capacity`` of both today.
    lists, converters : int
        Matured lists that neither has learnt from, and conversions on them.
    average_precision, production : float
        Means over those lists; NaN without any.
    probability_better : float
        How likely it ranks better, by a paired bootstrap of companies.
    problem : str
        Why it could not be looked at; empty if it could.
    """

    version: str
    capacity: int
    shared: int = 0
    lists: int = 0
    converters: int = 0
    average_precision: float = float("nan")
    production: float = float("nan")
    probability_better: float = float("nan")
    problem: str = ""


@dataclass(frozen=True)
class Monitoring:
    """The result of a monitoring.

    Attributes
    ----------
    version, snapshot : str
        The version that scores (for a rule nothing is checked), and the snapshot that it scored.
    day, cutoff, reference : str
        The day taken as today, the cutoff looked at, and the cutoff that it is compared with.
    checks : tuple of Check
    features : tuple of Moved
        Shown but not checked: features follow from the inputs, which are checked, and change with the
        seasons.
    matured : tuple of Matured
        Lists that the version has made again.
    handed_out : tuple of Matured
        Lists of the version as they were handed out.
    challengers : tuple of Challenger
    notes : tuple of str
    """

    version: str
    snapshot: str
    day: str
    cutoff: str
    reference: str
    prospects: int
    checks: tuple[Check, ...]
    features: tuple[Moved, ...] = ()
    matured: tuple[Matured, ...] = ()
    handed_out: tuple[Matured, ...] = ()
    challengers: tuple[Challenger, ...] = ()
    notes: tuple[str, ...] = ()
    page: Place | None = field(default=None, compare=False)

    @property
    def alarms(self) -> tuple[Check, ...]:
        """The checks that ring."""
        return tuple(one for one in self.checks if one.alarm)

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data, with the names of what rings."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**plain, "alarms": [one.name for one in self.alarms]}


def rung(checks: Sequence[Check], alpha: float) -> tuple[Check, ...]:
    """Adjust p-values and flag the checks that ring.

    Checks of inputs and scores are adjusted together. Checks of arrival and of outcomes are adjusted apart
    from them, or their few counts would be lost among all inputs.
    """
    families: dict[str, dict[int, float]] = {}
    for at, one in enumerate(checks):
        if one.p is not None:
            families.setdefault(_FAMILIES.get(one.group, one.group), {})[at] = one.p
    adjusted: dict[int, float] = {}
    for tested in families.values():
        adjusted |= dict(zip(tested, benjamini_hochberg(list(tested.values())), strict=True))
    found = []
    for at, one in enumerate(checks):
        p = adjusted.get(at)
        found.append(replace(one, p=p, alarm=one.effect > one.limit and (p is None or p < alpha)))
    return tuple(found)


def change(now: float, reference: float) -> float:
    """Return the size of a change: 0 for none, 1/2 for half or double, 1 for all or nothing.

    Examples
    --------
    >>> change(50, 100), change(200, 100), change(0, 0), change(0, 3)
    (0.5, 0.5, 0.0, 1.0)
    """
    low, high = sorted((now, reference))
    return 1 - low / high if high > 0 else 0.0
