"""Words and dates that depend on a number."""

from __future__ import annotations

from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING

from ml_sys.days import EPOCH

if TYPE_CHECKING:
    from typing import SupportsInt


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, such as ``1 row`` or ``1,024 rows``.

    Parameters
    ----------
    number : int
    one : str
        What is said of a single one: "row", or with a verb "row is left out".
    many : str, optional
        What is said of any other number; by default ``one`` with an s.

    Examples
    --------
    >>> counted(1, "row"), counted(0, "row"), counted(2000, "company", "companies")
    ('1 row', '0 rows', '2,000 companies')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def date_of(day: SupportsInt) -> str:
    """Return a day, counted from 1970-01-01, as YYYY-MM-DD.

    Examples
    --------
    >>> date_of(18_262)
    '2020-01-01'
    """
    return (EPOCH + timedelta(days=int(day))).isoformat()


def likely(probability: float) -> str:
    """Return an estimated probability in whole percent, which never claims to be certain.

    Examples
    --------
    >>> likely(0.004), likely(0.5), likely(1.0), likely(float("nan"))
    ('under 1%', '50%', 'over 99%', '–')
    """
    if isnan(probability):
        return "–"
    least, most = 0.01, 0.99
    if not least <= probability <= most:
        return "under 1%" if probability < least else "over 99%"
    return f"{probability:.0%}"
