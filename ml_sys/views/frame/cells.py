"""Format numbers, intervals and nested results the same way in every view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_sys.form import Words
from ml_sys.text import signed

if TYPE_CHECKING:
    from ml_sys.metrics.bootstrap import Estimate

_BAR_WIDTH = 12
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def number(value: float | None, digits: int) -> str | None:
    """Format a number; None, which tables show as a dash, when it is missing."""
    return None if value is None or isnan(value) else signed(value, digits)


def percent(share: float) -> str | None:
    """Format a share as a percentage; None when it is missing."""
    return None if isnan(share) else f"{share:.2%}"


def interval(one: Estimate, digits: int) -> str | None:
    """Format an estimate's interval; None when it has none."""
    return None if isnan(one.low) else f"{signed(one.low, digits)} to {signed(one.high, digits)}"


def bar(value: float, most: float) -> str:
    """Return a bar for a value between 0 and ``most``, in eighths of a character.

    Examples
    --------
    >>> bar(10, 10) == "█" * 12, bar(1, 10), bar(0, 10), bar(5, 0)
    (True, '█▎', '', '')
    """
    eighths = round(8 * _BAR_WIDTH * value / most) if most > 0 and value > 0 else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8]


def plain(value: Any) -> Any:
    """Return dataclasses, mappings and sequences as plain JSON data; NaN becomes None.

    A class with another plain form defines ``to_plain``. Words for texts are left out.
    """
    if hasattr(value, "to_plain"):
        return plain(value.to_plain())
    if is_dataclass(value) and not isinstance(value, type):
        parts = {one.name: getattr(value, one.name) for one in fields(value)}
        return {name: plain(one) for name, one in parts.items() if not isinstance(one, Words)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and isnan(value):
        return None
    return str(value) if isinstance(value, Path) else value
