"""Format numbers, shares and texts for a sentence."""

from __future__ import annotations

import math

from ml_sys.text import signed, with_minus

_SHOWN_TEXT = 80
# Beyond these a number is not written out.
_LONG, _TINY = 1e12, 1e-6
_ALMOST_ALL, _ALL = 99, 100
_TWO_DIGITS = 100


def number(value: float) -> str:
    """Write a number as people do.

    Examples
    --------
    >>> number(1234.5), number(56.71), number(3.0), number(0.3512), number(-2.5), number(3e38)
    ('1,234', '56.7', '3', '0.35', '−2.5', '3e+38')
    """
    size = abs(value)
    if size and not _TINY <= size < _LONG:
        return with_minus(f"{value:.2g}")
    decimals = 1 - min(math.floor(math.log10(size)), 0) if 0 < size < _TWO_DIGITS else 0
    text = signed(value, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def share(value: float) -> str:
    """Write a share in percent, without rounding it to none or all.

    Examples
    --------
    >>> share(0.384), share(0.002), share(0.999), share(1.0)
    ('38%', 'under 1%', 'over 99%', '100%')
    """
    percent = 100 * value
    if 0 < percent < 1:
        return "under 1%"
    return "over 99%" if _ALMOST_ALL < percent < _ALL else f"{number(float(round(percent)))}%"


def count(value: float, one: str, many: str) -> str:
    """Return a number with its noun, which is a single one only where "1" or "−1" is written."""
    written = number(value)
    return f"{written} {one if written.removeprefix('−') == '1' else many}"


def shortened(text: str) -> str:
    """Cut a text that is too long for a sentence."""
    return text if len(text) <= _SHOWN_TEXT else text[:_SHOWN_TEXT] + "…"
