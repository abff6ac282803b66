"""What a monitoring found, in words and numbers."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from ml_sys.text import counted, is_rule, named, signed, with_minus

if TYPE_CHECKING:
    from ml_sys.outcomes.monitoring import Check, Monitoring


def headline(found: Monitoring) -> str:
    """Say whether anything rings.

    Examples
    --------
    >>> from ml_sys.outcomes.monitoring import Monitoring
    >>> headline(Monitoring("1.0.0", "a", "2020-01-06", "2020-01-06", "2019-12-02", 5, ()))
    'No alarm rings.'
    """
    if is_rule(found.version):
        return f"There is no version to monitor: {named(found.version)} ranks."
    if not found.alarms:
        return "No alarm rings."
    return counted(len(found.alarms), "alarm rings:", "alarms ring:")


def sentence(check: Check) -> str:
    """Say what a check found.

    Examples
    --------
    >>> from ml_sys.outcomes.monitoring import Check
    >>> sentence(Check("arrival", "prospects", 50, 100, "companies", 0.5, 0.25))
        'prospects: 50, compared with 100 in the reference'
    """
    now, reference = amount(check.now, check.unit), amount(check.reference, check.unit)
    return f"{check.name}: {now}, compared with {reference} in the reference"


def amount(value: float, unit: str) -> str:
    """Return a number in its unit.

    Examples
    --------
    >>> amount(0.254, "share"), amount(1234, "rows"), amount(7.96, "conversions"), amount(0.00123456, "value")
    ('25.4%', '1,234', '8', '0.001235')
    >>> amount(float("nan"), "days")
    '–'
    """
    if isnan(value):
        return "–"
    if unit == "share":
        return f"{value:.1%}"
    if unit in {"rows", "companies", "days"}:
        return signed(value, 0)
    if unit == "conversions":
        return signed(value).removesuffix(".0")
    return with_minus(f"{value:.4g}")
