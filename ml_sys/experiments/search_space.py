"""The search space of `mlsys tune`: each knob, its range, and how a point maps to settings.

Ranges and options are widened to include the current settings, so that the search starts from
them. Resampling and a weight on positives both move the base rate and are never combined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.settings.checking.xgboost_params import is_xgboost
from ml_sys.settings.tree import PARAMS_KEY, entries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.settings import Settings

IMBALANCE, RATIO, WEIGHT = "imbalance", "resample.sampling_strategy", "model.params.scale_pos_weight"
WINDOWS, STEP = "features.windows_days", "panel.step_days"
NONE, RESAMPLED, WEIGHTED = "none", "resampled", "weighted"
_PARAMS = PARAMS_KEY + "."
# Digits that a number in a settings file needs; the search tries what the file will say.
_DIGITS = 4


@dataclass(frozen=True)
class Range:
    """A number between two bounds.

    Attributes
    ----------
    key : str
        Dotted name of the setting.
    log : bool
        Whether it is drawn on a log scale.
    whole : bool
        Whether it is a whole number.
    when : str
        The kind of :data:`IMBALANCE` that it belongs to; empty for always.
    """

    key: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    when: str = ""


@dataclass(frozen=True)
class Choice:
    """One of some options; ``key`` is the dotted name of a setting, or :data:`IMBALANCE`."""

    key: str
    options: tuple[str | int, ...]


Space = tuple[Choice | Range, ...]
Point = dict[str, Any]

_XGBOOST: tuple[Range, ...] = (
    Range(_PARAMS + "learning_rate", 0.01, 0.2, log=True),
    Range(_PARAMS + "max_depth", 2, 8, whole=True),
    Range(_PARAMS + "min_child_weight", 1.0, 100.0, log=True),
    Range(_PARAMS + "subsample", 0.5, 1.0),
    Range(_PARAMS + "colsample_bytree", 0.2, 1.0),
    Range(_PARAMS + "reg_lambda", 0.1, 100.0, log=True),
    Range(WEIGHT, 2.0, 300.0, log=True, when=WEIGHTED),
)
_RATIOS = Range(RATIO, 0.002, 0.2, log=True, when=RESAMPLED)
_WINDOWS = ("7, 14, 28", "7, 28, 91", "7, 14, 28, 56, 91", "7, 14, 28, 56, 91, 182")
_STEPS = (7, 14, 28)


def space_around(settings: Settings) -> Space:
    """Return a search space that includes the current settings.

    An estimator other than XGBoost keeps its parameters: what to tune in it is not known here.
    """
    ours = is_xgboost(settings.model.estimator)
    here = _values(settings)
    kinds = (NONE, RESAMPLED, WEIGHTED) if ours else (NONE, RESAMPLED)
    ranges = (*(_XGBOOST if ours else ()), _RATIOS)
    return (
        Choice(IMBALANCE, kinds),
        *(_widened(one, here.get(one.key)) for one in ranges),
        Choice(WINDOWS, tuple(dict.fromkeys((*_WINDOWS, here[WINDOWS])))),
        Choice(STEP, tuple(dict.fromkeys((*_STEPS, here[STEP])))),
    )


def start_of(space: Space, settings: Settings) -> Point:
    """Return the point of a space that is nearest to the current settings."""
    here = _values(settings)
    point: Point = {}
    for knob in space:
        value = here.get(knob.key)
        if isinstance(knob, Choice):
            point[knob.key] = value if value in knob.options else knob.options[0]
        elif not knob.when or knob.when == here[IMBALANCE]:
            wanted = knob.low if value is None else min(max(value, knob.low), knob.high)
            point[knob.key] = int(wanted) if knob.whole else float(wanted)
    return point


def settings_at(settings: Settings, point: Mapping[str, Any]) -> Settings:
    """Return the current settings changed to those of a point in the space."""
    params = {name: value for name, value in settings.model.params.items() if _PARAMS + name != WEIGHT}
    params |= {
        key.removeprefix(_PARAMS): _short(value) for key, value in point.items() if key.startswith(_PARAMS)
    }
    resampled = point[IMBALANCE] == RESAMPLED
    changed = {
        "model": {"params": params},
        "resample": {"sampling_strategy": _short(point[RATIO]) if resampled else "none"},
        "features": {"windows_days": tuple(int(days) for days in point[WINDOWS].split(",") if days)},
        "panel": {"step_days": point[STEP]},
    }
    return settings.model_copy(
        update={
            group: getattr(settings, group).model_copy(update=values) for group, values in changed.items()
        }
    )


def changes(before: Settings, after: Settings) -> dict[str, Any]:
    """Return the settings that differ, by dotted key, with their new value; None for a parameter left out."""
    old, new = entries(before), entries(after)
    return {key: new.get(key) for key in {**new, **old} if old.get(key) != new.get(key)}


def _values(settings: Settings) -> dict[str, Any]:
    """Return the settings in the terms of the space."""
    values = entries(settings)
    ratio = values.pop(RATIO)
    weight = values.get(WEIGHT)
    values[IMBALANCE] = WEIGHTED if weight not in {None, 1} else NONE if ratio == "none" else RESAMPLED
    if ratio != "none":
        values[RATIO] = 1.0 if ratio == "auto" else ratio
    values[WINDOWS] = ", ".join(str(days) for days in values[WINDOWS])
    return values


def _widened(knob: Range, value: Any) -> Range:
    """Widen a range to include a value; a logarithmic range has no room for zero."""
    if not isinstance(value, int | float) or (knob.log and value <= 0):
        return knob
    return Range(knob.key, min(knob.low, value), max(knob.high, value), knob.log, knob.whole, knob.when)


def _short(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")
