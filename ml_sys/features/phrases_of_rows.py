"""What a feature says in numbers that sales can check, where its own value is a ratio or a measure of spread.

The numbers come from other features of the same row; where the model has none of these, the feature's own
phrase has to do.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ml_sys.features.derived import OBJECTS
from ml_sys.features.spoken_numbers import count, number, share

if TYPE_CHECKING:
    from collections.abc import Mapping

_GROWTH = re.compile(r"(actions|users)_growth_(\d+)d_(\d+)d")
_NOUNS = {"actions": ("action", "actions"), "users": ("weekly user", "weekly users")}
_WEEK_DAYS = 7
_SHOWN_TOOLS = 3


def said_of_row(feature: str, values: Mapping[str, float | str | None]) -> str | None:
    """Return what a feature says of a company in numbers; None where its own phrase has to do.

    Parameters
    ----------
    feature : str
    values : mapping
        Value of each feature of the company, None for blanks.

    Examples
    --------
    >>> said_of_row("actions_week_over_week", {"actions_7d": 120.0, "actions_14d": 205.0})
    '35 more actions than the week before: 120 in the last 7 days after 85'
    >>> said_of_row("actions_growth_7d_28d", {"actions_7d": 120.0, "actions_28d": 240.0})
    '120 actions in the last 7 days, against 60 a week over the last 28'
    """
    if feature == "actions_week_over_week":
        return _week_over_week(values)
    if feature == "object_entropy_28d":
        return _spread(values)
    if (growth := _GROWTH.fullmatch(feature)) is not None:
        return _growth(growth[1], int(growth[2]), int(growth[3]), values)
    return None


def _week_over_week(values: Mapping[str, float | str | None]) -> str | None:
    last, both = _known(values, "actions_7d"), _known(values, "actions_14d")
    if last is None or both is None or both == 2 * last:
        return None
    before = both - last
    side = "more" if last > before else "fewer"
    change = count(abs(last - before), f"{side} action", f"{side} actions")
    return f"{change} than the week before: {number(last)} in the last 7 days after {number(before)}"


def _growth(kind: str, days: int, longer_days: int, values: Mapping[str, float | str | None]) -> str | None:
    recent, longer = _known(values, f"{kind}_{days}d"), _known(values, f"{kind}_{longer_days}d")
    if not recent or longer is None:
        return None
    said = f"{count(recent, *_NOUNS[kind])} in the last {days} days"
    if days > _WEEK_DAYS:
        said += f", {number(recent * _WEEK_DAYS / days)} a week"
    return f"{said}, against {number(longer * _WEEK_DAYS / longer_days)} a week over the last {longer_days}"


def _spread(values: Mapping[str, float | str | None]) -> str | None:
    shares = [(_known(values, f"share_{obj}_28d"), obj) for obj in OBJECTS]
    used = sorted(((one, obj) for one, obj in shares if one), reverse=True)[:_SHOWN_TOOLS]
    if not used or any(one is None for one, _ in shares):
        return None
    told = ", ".join(f"{share(one)} {'in email' if obj == 'email' else f'on {obj}'}" for one, obj in used)
    return f"actions in the last 28 days: {told}"


def _known(values: Mapping[str, float | str | None], name: str) -> float | None:
    value = values.get(name)
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return None
    return float(value)
