"""Recognise columns of dates and their format: day first, month first, or as numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ml_sys.data.reading.sql import literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ISO, COMPACT, MONTHS, WEEKS = "iso", "%Y%m%d", "%Y-%m", "%G-W%V"
SECONDS, MILLISECONDS, MICROSECONDS = "seconds", "milliseconds", "microseconds"
# Days since 1899-12-30, as spreadsheets keep them.
SPREADSHEET = "days of a spreadsheet"
NAMED_MONTH = "%d-%b-%Y"
CHINESE = "%Y年%m月%d日"  # Japanese as well
# Text that looks like a date in any format.
SOME_DATE = "[0-9]{1,4}[-/. ][0-9A-Za-z]{1,9}[-/., ]+[0-9]{2,4}.*"
AMBIGUOUS = "ambiguous"
# An identifier of ten or thirteen digits is no moment.
_IDENTIFIES = re.compile(r"(^|_)(id|key|no|nr|number|uid)(_|$)|id$")
# The formats in a description's terms.
DAY_FIRST, MONTH_FIRST = "day-first", "month-first"

# Days from 2000 to 2050 in a spreadsheet.
_FIRST_SERIAL, _LAST_SERIAL = 36_526, 55_153
# Moments from 2000 to 2037, in seconds.
_FIRST_SECOND, _LAST_SECOND = 946_684_800, 2_145_916_800
_PER_SECOND = {SECONDS: 1, MILLISECONDS: 1_000, MICROSECONDS: 1_000_000}
_ZONED = "([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?"
_NAMES_A_ZONE = ":[0-9.]+ ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$"
# Calendar weeks of ISO 8601, such as 2025-W03 or 2025-KW3.
_WEEK = "[0-9]{2}[- ]?[KC]?W ?[0-9]{1,2}"
_TIME = "( [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?"
_SEPARATORS = {"dashed": "-", "dotted": "[.]", "slashed": "/"}
# Conditions for the values in each format, by name.
PATTERNS: Mapping[str, str] = {
    ISO: f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{_ZONED}",
    "months": "(19|20)[0-9]{2}-(0[1-9]|1[0-2])",
    "weeks": f"(19|20){_WEEK}",
    "compact": "(19|20)[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])",
    "named_month": f"[0-9]{{1,2}}-[A-Za-z]{{3}}-[0-9]{{4}}{_TIME}",
    "chinese": f"[0-9]{{4}}年[0-9]{{1,2}}月[0-9]{{1,2}}日{_TIME}",
    "year_slashed": f"[0-9]{{4}}/[0-9]{{1,2}}/[0-9]{{1,2}}{_TIME}",
    **{name: f"[0-9]{{1,2}}{sign}[0-9]{{1,2}}{sign}[0-9]{{4}}{_TIME}" for name, sign in _SEPARATORS.items()},
}
_SIGNS = {"dashed": "-", "dotted": ".", "slashed": "/"}
# Words in names that suggest a date, and beginnings of such words.
_WORDS = re.compile(
    r"(^|_)(at|on|day|ts|when|since|month|week|start|end|up)(_|$)|date|time|creat|regist|sign|join|paid|purchas"
    r"|subscri|clos|convert|upgrad"
)


def is_named_like_a_date(name: str) -> bool:
    """Return whether a name, in lower case with underscores, suggests a date."""
    return bool(_WORDS.search(name))


def format_of(name: str, shares: Mapping[str, float], low: float, high: float) -> str:
    """Return the format of a column's dates; empty if it has none.

    Parameters
    ----------
    name : str
        Of the column, in lower case.
    shares : mapping of str to float
        Of its values, by pattern of `PATTERNS`.
    low, high : float
        Its smallest and largest number; NaN if it has none.

    Returns
    -------
    str
        One of the constants above, or a pattern to be resolved by :func:`parts_format`.
    """
    promised = is_named_like_a_date(name)
    if shares[ISO] >= 0.9:
        return ISO
    if shares["months"] >= 0.9:
        return MONTHS
    if shares["weeks"] >= 0.9:
        return WEEKS
    if shares["chinese"] >= 0.9:
        return CHINESE
    if shares["year_slashed"] >= 0.9:
        return "%Y/%m/%d"
    if shares["compact"] >= 0.99 and promised:
        return COMPACT
    if shares["named_month"] >= 0.9:
        return NAMED_MONTH
    if promised and _FIRST_SERIAL <= low < high <= _LAST_SERIAL:
        return SPREADSHEET
    for pattern in _SIGNS:
        if shares[pattern] >= 0.9:
            return pattern
    for unit, per_second in _PER_SECOND.items():
        if _FIRST_SECOND * per_second <= low <= high <= _LAST_SECOND * per_second and (
            promised or (unit != SECONDS and not _IDENTIFIES.search(name))
        ):
            return unit
    return ""


def parts_format(pattern: str, first: int, second: int) -> str:
    """Tell days from months by the largest first and second part of all values.

    Returns
    -------
    str
        A format. It is the ambiguous one, with its separator, if no part is above 12, or if both are. A part
        that is always 1 is the day, of months stamped on the first.
    """
    sign = _SIGNS[pattern]
    if first > 12 and second > 12:
        return AMBIGUOUS + sign
    days_first = first > 12 or (second <= 12 and sign == ".") or first == 1 < second <= 12
    if days_first:
        return f"%d{sign}%m{sign}%Y"
    return f"%m{sign}%d{sign}%Y" if second > 12 or second == 1 < first else AMBIGUOUS + sign


def moment(sql: str, format_: str, zone: str = "UTC") -> str:
    """Return SQL of the moment in a text, in a time zone; NULL if it is not a moment."""
    if format_ in {ISO, ""}:  # text in no known format is not a moment
        cast = f"TRY_CAST({sql} AS TIMESTAMP)"  # in UTC if the text names a time zone
        if zone == "UTC":
            return cast
        return f"CASE WHEN regexp_matches({sql}, '{_NAMES_A_ZONE}') THEN {_local(cast, zone)} ELSE {cast} END"
    if format_ in _PER_SECOND:
        factor = 1_000_000 // _PER_SECOND[format_]
        return _local(f"make_timestamp(TRY_CAST(TRY_CAST({sql} AS DOUBLE) AS BIGINT) * {factor})", zone)
    if format_ == SPREADSHEET:
        micros = f"CAST(round(TRY_CAST({sql} AS DOUBLE) * 86400) AS BIGINT) * 1000000"
        return f"TIMESTAMP '1899-12-30' + to_microseconds({micros})"
    if format_ == WEEKS:
        monday = f"regexp_replace({sql}, '^([0-9]{{4}})[^0-9]*([0-9]+)$', '\\1-W\\2-1')"
        return f"TRY_STRPTIME({monday}, '{WEEKS}-%u')"
    forms = (
        [format_] if format_ in {COMPACT, MONTHS} else [format_, f"{format_} %H:%M:%S", f"{format_} %H:%M"]
    )
    return f"TRY_STRPTIME({sql}, [{', '.join(repr(form) for form in forms)}])"


def _local(sql: str, zone: str) -> str:
    return sql if zone == "UTC" else f"timezone({literal(zone)}, timezone('UTC', {sql}))"


def written_iso(sql: str, format_: str) -> str:
    """Return SQL of a date as ISO text; invalid dates are kept unchanged, to be reported."""
    return f"coalesce(strftime({moment(sql, format_)}, '%Y-%m-%d %H:%M:%S'), {sql})"


def described(format_: str) -> str | None:
    """Return a format in a description's terms; empty for ISO dates, None if there is no term for it."""
    words = {ISO: "", SECONDS: "epoch_s", MILLISECONDS: "epoch_ms"}
    if format_ == NAMED_MONTH:
        return None
    if format_.startswith("%d"):
        return DAY_FIRST
    if format_.startswith("%m"):
        return MONTH_FIRST
    return words.get(format_)


def as_described(format_: str, said: str) -> str:
    """Return the format that a description's term stands for."""
    if said in {DAY_FIRST, MONTH_FIRST}:
        sign = next((one for one in "-./" if one in format_ and not format_.startswith("%Y")), "")
        order = ("%d", "%m", "%Y") if said == DAY_FIRST else ("%m", "%d", "%Y")
        return sign.join(order) if sign else format_
    return {"epoch_s": SECONDS, "epoch_ms": MILLISECONDS}.get(said, format_)


def spoken(format_: str) -> str:
    """Return a format in the user's notation, such as DD-MM-YYYY."""
    if format_ in _PER_SECOND:
        return f"{format_} since 1970"
    if format_ == SPREADSHEET:
        return "as spreadsheet days (counted from 1899-12-30)"
    if format_ == WEEKS:
        return "YYYY-Www, each as its Monday"
    return format_.replace("%b", "Mon").replace("%d", "DD").replace("%m", "MM").replace("%Y", "YYYY")
