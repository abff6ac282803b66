"""Recognise columns for one period each, such as ``logins_2024_01``, by their names.

At a cutoff, the columns for later periods are not known yet.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from ml_sys.data.looking.names import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterable

_YEAR = r"(?:19|20)\d\d"
_MONTH_NAME = f"(?:{MONTHS})"
_SIGN = r"[-_ ./]?"
_OF_A_YEAR = re.compile(
    rf"(?<![0-9a-z])(?:{_YEAR}{_SIGN}(?:0[1-9]|1[0-2]|q[1-4]|w[0-5]\d|{_MONTH_NAME})"
    rf"|(?:{_MONTH_NAME}|q[1-4]){_SIGN}{_YEAR}|{_MONTH_NAME}[-_ ']\d\d)(?![0-9a-z])"
)
_NUMBERED = re.compile(
    r"(?<![0-9a-z])(?:month|week|day|quarter|monat|woche|tag|m|w|d|q)[-_ ]?(\d{1,3})(?![0-9a-z])"
)
_WHOLE_YEAR = re.compile(
    rf"(?<![0-9a-z])(?P<year>{_YEAR})(?![0-9a-z])"
    rf"|(?<![0-9a-z])(?:ws|wise|ss|sose|fy|fall|autumn|winter|spring|summer){_SIGN}(?:20)?(?P<short>\d\d)"
    rf"(?:{_SIGN}(?:20)?\d\d)?(?![0-9a-z])"
)
# This many consecutive periods are no accident.
_SEVERAL = 3


def of_one_period(names: Iterable[str]) -> dict[str, int]:
    """Return the names of columns for one period, each with the number of such columns of its kind.

    Examples
    --------
    >>> of_one_period(["id", "logins_2024_01", "logins_2024_02", "employees_2024", "m1", "m2"])
    {'logins_2024_01': 2, 'logins_2024_02': 2}
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    numbered: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folded = name.casefold()
        if _OF_A_YEAR.search(folded):
            kinds[_OF_A_YEAR.sub("*", folded)].append(name)
        elif _NUMBERED.search(folded):
            numbered[_NUMBERED.sub("#", folded)].append(name)
    kinds |= {kind: several for kind, several in numbered.items() if len(several) >= _SEVERAL}
    return {name: len(several) for several in kinds.values() for name in several}


def year_of(name: str) -> int | None:
    """Return the last year that a name says, also as that of a semester; None if it says none.

    Examples
    --------
    >>> year_of("employees_2023"), year_of("ECTS_WS2324"), year_of("sum_2022_2023"), year_of("address_2")
    (2023, 2023, 2023, None)
    """
    found = [one["year"] or f"20{one['short']}" for one in _WHOLE_YEAR.finditer(name.casefold())]
    return max(map(int, found), default=None)


def why(several: int) -> tuple[str, bool]:
    """Return what is wrong with one of several columns for one period, and whether it is certain."""
    if several >= _SEVERAL:
        return (
            f"one of {several} columns for one period each: the later ones are not known at earlier cutoffs",
            True,
        )
    return "named after a period, so its values are not known at earlier cutoffs", False


def wide(names: Iterable[str]) -> tuple[str, str, int] | None:
    """Return the first and the last of a table's columns for one period each, and their number."""
    found = of_one_period(names)
    most = max(found.values(), default=0)
    if most < _SEVERAL:
        return None
    series = [name for name, several in found.items() if several == most]
    return series[0], series[-1], most
