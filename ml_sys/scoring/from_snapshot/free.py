"""Find the companies of a snapshot that are free on a day, and the usage of prospects in a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.parts.buckets import buckets_of, part_of
from ml_sys.data.quarantine import Quarantine
from ml_sys.days import latest_cutoff
from ml_sys.errors import NotEnoughDataError
from ml_sys.features.attributes import NUMERIC
from ml_sys.features.inputs import measures_of
from ml_sys.scoring.prospects import ProspectTable, ProspectUsage
from ml_sys.scoring.streaming.held import HeldRows
from ml_sys.text import with_article

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Everyone, Snapshot, Tables
    from ml_sys.features.compute import FeatureSpec


def free_day(known: Everyone, spec: FeatureSpec, as_of: int | None) -> int:
    """Return the day on which companies must be free, by default the last one that usage covers.

    Raises
    ------
    NotEnoughDataError
        If no company is free.
    """
    day = covered_by(known, spec) if as_of is None else as_of
    day = known.as_of if day is None else day
    words = known.form.words
    if not are_free(known, day).any():
        raise NotEnoughDataError(
            f"{known.path}: contains no {words.entity.one} that is not {with_article(words.customer.one)}",
            hint="give a file of prospects",
        )
    return day


def are_free(known: Everyone | Snapshot | Tables, day: int) -> NDArray[np.bool_]:
    """Flag the companies that are free on a day: they existed before it, and have not converted."""
    free: NDArray[np.bool_] = (known.closed >= day) & (known.since < day)
    return free


def free_companies(part: Tables, day: int) -> ProspectTable:
    """Return the companies of a part of a snapshot that are free on a day."""
    return _held(_free_rows(part, day))


def all_free(known: Everyone, day: int) -> ProspectTable:
    """Return the companies of all parts of a snapshot that are free on a day, in its order."""
    places, tables = [], []
    for number in range(len(known.parts)):
        part, position = known.parts.placed(number)
        places.append(position[are_free(part, day)])
        tables.append(_free_rows(part, day))
    order = np.argsort(np.concatenate(places), kind="stable")
    return _held(pa.concat_tables(tables).take(order))


def usage_of(known: Everyone, prospects: Any, spec: FeatureSpec) -> ProspectUsage:
    """Return the usage of prospects in a snapshot, given a `pyarrow.StringArray` of their ids.

    Prospects that are not in the snapshot have none. Parts without any of them are not read.
    """
    parts, found = known.parts, [_none_of(spec)]
    part = part_of(buckets_of(prospects), len(parts))
    for number in np.unique(part).tolist():
        mine = np.flatnonzero(part == number)
        found.append(usage_in(parts.part(number), prospects.take(mine), spec, mine))
    company, stamp, values = (np.concatenate(one) for one in zip(*found, strict=True))
    order = np.argsort(company, kind="stable")
    return ProspectUsage(
        company[order], stamp[order], values[order], 0, Quarantine(), covered_by(known, spec)
    )


def usage_in(
    part: Snapshot, prospects: Any, spec: FeatureSpec, numbers: NDArray[np.intp]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    """Return company, stamp and values of the usage rows of prospects in a part of a snapshot.

    Parameters
    ----------
    numbers : ndarray of shape (n,), int
        The number to give to each of the prospects.
    """
    known = CompanyIndex(pa.array(part.companies["id"], pa.string()), frozenset()).positions(prospects)
    position = np.full(len(part.companies), -1, dtype=np.int32)
    found = np.flatnonzero(known >= 0)
    position[known[found]] = numbers[found]
    return _usage_at(position, part, spec)


def usage_of_free(
    part: Tables, day: int, spec: FeatureSpec
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    """Return the same as :func:`usage_in` of :func:`free_companies`, numbered from 0."""
    free = are_free(part, day)
    return _usage_at(np.where(free, np.cumsum(free, dtype=np.int32) - np.int32(1), np.int32(-1)), part, spec)


def covered_by(snapshot: Everyone | Snapshot, spec: FeatureSpec) -> int | None:
    """Return the day up to which a snapshot's usage is covered; None if it has no usage."""
    if not snapshot.usage_stamp.size:
        return None
    return latest_cutoff(snapshot.usage_stamp, snapshot.as_of, spec.period)


def _usage_at(
    position: NDArray[np.int32], part: Snapshot | Tables, spec: FeatureSpec
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    """Return the usage of a part's companies, given the number of each; -1 leaves one out."""
    company = position[part.usage_company]
    mine: Any = company >= 0
    if (np.diff(company[mine]) < 0).any():  # prospects are not in the order of the snapshot
        mine = np.flatnonzero(mine)
        mine = mine[np.argsort(company[mine], kind="stable")]
    values = measures_of(part.usage_values, part.form, spec.form)
    return company[mine], part.usage_stamp[mine], values[mine]


def _free_rows(part: Tables, day: int) -> pa.Table:
    """Return id, attributes and first day of a part's free companies."""
    free = are_free(part, day)
    rows = part.companies.filter(pa.array(free))
    columns: dict[str, Any] = {"id": rows["id"].cast(pa.string())}
    for one in part.form.attributes:
        column: Any = rows[one.name]
        if one.kind in NUMERIC:
            columns[one.name] = column.cast(pa.float64()).fill_null(np.nan)
        else:
            columns[one.name] = column.cast(pa.string())
    return pa.table({**columns, "since": pa.array(part.since[free])})


def _held(rows: pa.Table) -> ProspectTable:
    held = HeldRows()
    for batch in rows.combine_chunks().to_batches():
        held.add(batch)
    return ProspectTable(held, Quarantine(), rows.num_rows)


def _none_of(spec: FeatureSpec) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    """Return no usage rows."""
    nobody = np.empty(0, np.int32)
    return nobody, nobody, np.empty((0, len(spec.form.measures)), np.uint8)
