"""Parse columns of days and times in several formats, as local time of a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking import scalars
from ml_sys.data.checking.columns import (
    Column,
    as_flags,
    distinct_of,
    faults_of,
    read_each,
    read_numbers,
    stripped,
)
from ml_sys.data.checking.scalars import Fault
from ml_sys.days import DAY_MICROSECONDS

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from ml_sys.settings.tables import Dates

_PLAIN_STAMP = (
    r"^(19[7-9][0-9]|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)?$"
)
_EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # microseconds
_LEAST_MILLISECONDS = 1e11  # in 1973; as seconds that is far in the future
_LAST_MOMENT = int(datetime(scalars.LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 - 1
_QUARTER_SECONDS, _SECOND = 900, 1_000_000


def stamps(texts: Any, *, dates: Dates = "iso", zone: ZoneInfo | None = None) -> Column:
    """Read moments as int64 microseconds of local time since 1970-01-01.

    Parameters
    ----------
    dates : str
        The format; ISO dates are read as well if it is day-first or month-first.
    zone : ZoneInfo, optional
        Time zone of the days, by default UTC. A moment without a time zone is local.
    """
    if dates in _EPOCH_UNITS:
        return _epochs(texts, _EPOCH_UNITS[dates], zone)
    codes, distinct = distinct_of(texts)
    if dates != "iso":
        distinct = _year_first(distinct, day_first=dates == "day-first")
    plain = as_flags(pc.match_substring_regex(distinct, _PLAIN_STAMP)).copy()
    values = np.zeros(len(distinct), np.int64)
    try:
        known = distinct.filter(pa.array(plain)).cast(pa.timestamp("us"))
        values[plain] = known.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # a day that its month does not have
        plain[:] = False
    if plain.all():
        return Column(values[codes], None)
    faults = np.zeros(len(distinct), np.int8)
    read = partial(scalars.stamp, zone=zone)
    values[~plain], faults[~plain] = read_each(distinct.filter(pa.array(~plain)), read, np.int64)
    if dates != "iso":
        other = Fault.NOT_DAY_FIRST if dates == "day-first" else Fault.NOT_MONTH_FIRST
        faults = np.where(faults == Fault.NOT_DATE, np.int8(other), faults)
    return Column(values[codes], faults_of(first=faults[codes]))


def days(
    texts: Any, *, dates: Dates = "iso", zone: ZoneInfo | None = None, blank: int | None = None
) -> Column:
    """Read days as int32 days since 1970-01-01, without times.

    Parameters
    ----------
    dates, zone
        See :func:`stamps`.
    blank : int, optional
        Value for blanks and invalid days; without it a blank is a fault.
    """
    microseconds, faults = stamps(texts, dates=dates, zone=zone)
    found = (microseconds // DAY_MICROSECONDS).astype(np.int32)
    if blank is None or faults is None:
        return Column(found, faults)
    return Column(
        np.where(faults == 0, found, np.int32(blank)),
        faults_of(first=np.where(faults == Fault.BLANK, 0, faults)),
    )


def _epochs(texts: Any, per_unit: int, zone: ZoneInfo | None) -> Column:
    numbers, faults = read_numbers(texts)
    blank = np.isnan(numbers) & (faults == 0)
    faults = np.where(faults != 0, np.int8(Fault.NOT_EPOCH), faults)
    with np.errstate(invalid="ignore"):
        whole = np.rint(numbers * per_unit)
        # Seconds mistaken for milliseconds would all lie in the first weeks of 1970.
        slip = (
            (per_unit == _EPOCH_UNITS["epoch_ms"]) & (np.abs(numbers) < _LEAST_MILLISECONDS) & (numbers != 0)
        )
        found = faults_of(
            (blank, Fault.BLANK),
            ((whole < 0) | (whole > _LAST_MOMENT) | slip, Fault.OUT_OF_TIME),
            first=faults,
        )
    bad = np.isnan(whole) if found is None else found != 0
    return Column(local(np.where(bad, 0, whole).astype(np.int64), zone), found)


def local(microseconds: NDArray[np.int64], zone: ZoneInfo | None) -> NDArray[np.int64]:
    """Convert moments from UTC to local time, both in microseconds since 1970-01-01."""
    if zone is None or not microseconds.size:
        return microseconds
    # Clocks change only at quarters of an hour.
    quarters, at = np.unique(microseconds // (_QUARTER_SECONDS * _SECOND), return_inverse=True)
    moments = [
        datetime.fromtimestamp(one * _QUARTER_SECONDS, UTC).astimezone(zone) for one in quarters.tolist()
    ]
    offsets = np.array([int((one.utcoffset() or timedelta()).total_seconds()) for one in moments], np.int64)
    shifted: NDArray[np.int64] = microseconds + offsets[at] * _SECOND
    return shifted


def _year_first(texts: Any, *, day_first: bool) -> Any:
    """Rewrite dates that begin with a day or a month as ISO dates, whatever their separator."""
    order = r"\3-0\2-0\1" if day_first else r"\3-0\1-0\2"
    turned = pc.replace_substring_regex(
        stripped(texts), r"^([0-9]{1,2})[-./]([0-9]{1,2})[-./]([0-9]{4})", order
    )
    return pc.replace_substring_regex(turned, r"^([0-9]{4})-0?([0-9]{2})-0?([0-9]{2})", r"\1-\2-\3")
