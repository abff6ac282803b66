"""How the report writes numbers, shares, intervals and settings."""

from __future__ import annotations

from math import floor, isfinite
from typing import TYPE_CHECKING, Any

from ml_sys.text import signed

if TYPE_CHECKING:
    from ml_sys.metrics.bootstrap import Estimate


NONE = "–"
_HALF_PERCENT = 0.005
# Below this, tenths are too coarse.
_LEAST_TENTHS = 0.15


def percent(share: float | None, digits: int = 1) -> str:
    """Format a share as a percentage; a dash when there is none."""
    if share is None or not isfinite(share):
        return NONE
    return f"{share:.{digits}%}" if share >= _HALF_PERCENT or not share else f"{share:.{digits + 1}%}"


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with so many decimals; a dash when there is none."""
    return NONE if value is None or not isfinite(value) else signed(value, digits)


def spread(one: Estimate | None, digits: int = 3) -> str:
    """Format a number and its interval."""
    if one is None or not isfinite(one.value):
        return NONE
    value = number(one.value, digits)
    return (
        value if one.low == one.high else f"{value} ({number(one.low, digits)} to {number(one.high, digits)})"
    )


def percent_spread(one: Estimate | None, digits: int = 1) -> str:
    """Format a share and its interval as percentages."""
    if one is None or not isfinite(one.value):
        return NONE
    value = percent(one.value, digits)
    return (
        value
        if one.low == one.high
        else f"{value} ({percent(one.low, digits)} to {percent(one.high, digits)})"
    )


def text(value: Any) -> str:
    """Format a setting's value."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: NONE}[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {text(one)}" for key, one in value.items()) or "none"
    return str(value) if value != "" else "empty"


def in_ten(share: float) -> str:
    """Format a share the way people say it, such as "3 in 10"."""
    tenths = floor(share * 10 + 0.5)
    return f"{tenths} in 10" if share >= _LEAST_TENTHS and tenths < 10 else percent(share, 0)
