"""Known conversions and calls made, from the latest snapshot or from newer files."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.data import snapshot
from ml_sys.data.checking.moments import days
from ml_sys.data.checking.validate import check
from ml_sys.data.checking.values import ids
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.fields import AT, CONVERTED_ON, ID, VALUE, Field, columns_of, fields_of, id_column
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.sources import FileSource
from ml_sys.days import DAY_MICROSECONDS
from ml_sys.errors import EmptyTableError, InputError, SnapshotError
from ml_sys.settings.description import zone_of
from ml_sys.settings.tables import EntityTable, PurchaseTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ml_sys.engine.places import Place
    from ml_sys.settings import Settings

_log = logging.getLogger(__name__)
# A last conversion in a file that comes this many days after the others is a mistake.
_ALONE_DAYS = 30
# The column of a file of calls that says when each was made.
CALLED_ON = "called_on"
_DAYS_HINT = "write days as YYYY-MM-DD; leave the day blank if it is not known"


@dataclass(frozen=True)
class Conversions:
    """Who became a customer, when, and what they pay.

    Attributes
    ----------
    index : CompanyIndex
        Of the ids.
    closed : ndarray of shape (n,), int32
        Day since 1970-01-01, ``NEVER_CLOSED`` for companies that did not.
    money : ndarray of shape (n,), float64
        A month; the customers' average if it is unknown, and 0 if it is negative.
    as_of : int
        Day up to which conversions are known.
    everybody : bool
        Whether companies that have not converted are included.
    """

    index: CompanyIndex
    closed: NDArray[np.int32]
    money: NDArray[np.float64]
    as_of: int
    everybody: bool

    def strangers(self, names: Any) -> int:
        """Return how many companies are unknown; 0 if only customers are known."""
        known = self.index.positions(pa.array(names, pa.string())) >= 0
        return int((~known).sum()) if self.everybody else 0

    def add_to(self, rows: pd.DataFrame, horizon_days: NDArray[np.int32]) -> pd.DataFrame:
        """Add to rows of lists whether each company paid within the horizon of its list, and how much."""
        at = self.index.positions(pa.array(rows["entity_id"], pa.string()))
        closed = np.where(at >= 0, self.closed[at], NEVER_CLOSED)
        cutoff = rows["cutoff"].to_numpy()
        converted = (closed >= cutoff) & (closed < cutoff + horizon_days) & (closed <= self.as_of)
        return rows.assign(converted=converted, money=np.where(converted, self.money[at], 0.0))


def of_snapshot(settings: Settings) -> Conversions:
    """Return the conversions in the latest snapshot.

    Raises
    ------
    SnapshotError
        If nothing was ingested.
    """
    if not snapshot.exists(settings.artifacts_dir):
        raise SnapshotError(
            f"{settings.artifacts_dir}: there is no snapshot to take outcomes from",
            hint="run `mlsys ingest` first, or give a file of customers with --customers FILE",
        )
    return conversions_of(snapshot.everyone(settings.artifacts_dir))


def conversions_of(known: snapshot.Everyone) -> Conversions:
    """Return the conversions in a snapshot."""
    money = _money(known.value, known.customers)
    index = CompanyIndex(known.ids, frozenset())
    return Conversions(index, known.closed, money, known.as_of, everybody=True)


def of_customers(path: Place, settings: Settings, as_of: int | None) -> Conversions:
    """Return the conversions in a file of customers.

    Parameters
    ----------
    path : Path or Address
    settings : Settings
    as_of : int, optional
        Day up to which it is complete; by default its last conversion that is not far from the others.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    schema = settings.schema_
    converting = [name for name, one in schema.of(EntityTable).items() if one.converted_on]
    name = next(iter([*converting, *schema.of(PurchaseTable)]))
    day = CONVERTED_ON if converting else AT
    wanted = {one: about for one, about in fields_of(schema, name).items() if one in {ID, day, VALUE}}
    found = _read(path, name, wanted)
    found = found[found[day] != NEVER_CLOSED].sort_values(day, kind="stable").drop_duplicates(ID)
    if found.empty:
        raise EmptyTableError(path)
    days = found[day].to_numpy()
    closed = (days if day == CONVERTED_ON else days // DAY_MICROSECONDS).astype(np.int32)
    near = np.diff(closed) <= _ALONE_DAYS
    last = int(closed[1:][near].max(initial=int(closed[0])))
    value = found[VALUE].to_numpy(np.float64) if VALUE in found else np.full(len(found), np.nan)
    money = _money(value, np.ones(len(found), dtype=bool))
    index = CompanyIndex(found[ID], frozenset())
    return Conversions(index, closed, money, last if as_of is None else as_of, everybody=False)


@dataclass(frozen=True)
class CallsMade:
    """Which companies were called.

    Attributes
    ----------
    undated : frozenset of str
        Companies whose call has no day.
    dated : DataFrame
        One row per call, with the columns ``entity_id`` and ``day``.
    """

    undated: frozenset[str]
    dated: pd.DataFrame


def calls_made(path: Place, settings: Settings) -> CallsMade:
    """Return the companies that a file says were called, with the day if it has a column ``called_on``.

    Raises
    ------
    InputError
        As for :func:`of_customers`, and if a day is invalid; it may be blank.
    """
    schema = settings.schema_
    when = partial(days, zone=zone_of(schema.time_zone), blank=NEVER_CLOSED)
    found = _read(
        path,
        "called",
        {ID: Field(id_column(schema), ids), CALLED_ON: Field(CALLED_ON, when, may_lack=True)},
        strict=CALLED_ON,
    )
    day = found[CALLED_ON].to_numpy() if CALLED_ON in found else np.full(len(found), NEVER_CLOSED)
    calls = pd.DataFrame({"entity_id": found[ID], "day": day})
    is_dated = day != NEVER_CLOSED
    return CallsMade(frozenset(found[ID][~is_dated]), calls[is_dated].reset_index(drop=True))


def _read(path: Place, table: str, fields: Mapping[str, Field], strict: str = "") -> pd.DataFrame:
    """Read a file; bad rows are skipped, except that a bad value in the column ``strict`` is an error."""
    may_lack = {name for name, one in fields.items() if one.may_lack}
    frames = []
    with closing(FileSource().open(table, str(path), columns_of(fields), may_lack)) as opened:
        kept = {name: one for name, one in fields.items() if name not in opened.lacks}
        for part in opened.parts:
            checked = check(part(), kept)
            for bad in checked.bad:
                if strict and bad.reason.startswith(f"{strict} "):
                    file, line = opened.at(bad.line)
                    raise InputError(f"{file}, line {line}: {bad.reason}", hint=_DAYS_HINT)
            frames.append(
                pd.DataFrame(
                    {
                        name: column if isinstance(column, np.ndarray) else column.to_pylist()
                        for name, column in checked.columns.items()
                    }
                )
            )
    for note in opened.notes:
        _log.warning("%s: %s", table, note)
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if found.empty:
        raise EmptyTableError(opened.where)
    return found


def _money(value: NDArray[np.float64], customer: NDArray[np.bool_]) -> NDArray[np.float64]:
    known = np.maximum(value[customer & ~np.isnan(value)], 0.0)
    average = float(known.mean()) if known.size else 0.0
    return np.where(np.isnan(value), average, np.maximum(value, 0.0))
