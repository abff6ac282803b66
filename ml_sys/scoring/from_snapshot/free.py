"""Find the companies of a snapshot that are free on a day, and the usage of prospects in a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.parts.buckets import buckets_of, part_of
from ml_sys.data.quarantine import Quarantine
from ml_sys.days import latest_cutoff
from ml_sys.errors import NotEnoughDataError
from ml_sys.features.inputs import measures_of
from ml_sys.scoring.prospects import ProspectTable, ProspectUsage
from ml_sys.scoring.streaming.held import held_frame
from ml_sys.text import with_article

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.data.snapshot import Everyone, Snapshot
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


def are_free(known: Everyone | Snapshot, day: int) -> NDArray[np.bool_]:
    """Flag the companies that are free on a day: they existed before it, and have not converted."""
    free: NDArray[np.bool_] = (known.closed >= day) & (known.since < day)
    return free


def free_companies(part: Snapshot, day: int) -> ProspectTable:
    """Return the companies of a snapshot, or of a part of one, that are free on a day."""
    frame = _free_frame(part, day)
    return ProspectTable(held_frame(frame), Quarantine(), len(frame))


def all_free(known: Everyone, day: int) -> ProspectTable:
    """Return the companies of all parts of a snapshot that are free on a day, in its order."""
    places, frames = [], []
    for number in range(len(known.parts)):
        part = known.parts.part(number)
        places.append(known.parts.positions(number)[are_free(part, day)])
        frames.append(_free_frame(part, day))
    frame = pd.concat(frames, ignore_index=True)
    order = np.argsort(np.concatenate(places), kind="stable")
    return ProspectTable(held_frame(frame.iloc[order].reset_index(drop=True)), Quarantine(), len(frame))


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
    company = position[part.usage_company]
    mine: Any = company >= 0
    if (np.diff(company[mine]) < 0).any():  # prospects are not in the order of the snapshot
        mine = np.flatnonzero(mine)
        mine = mine[np.argsort(company[mine], kind="stable")]
    values = measures_of(part.usage_values, part.form, spec.form)
    return company[mine], part.usage_stamp[mine], values[mine]


def covered_by(snapshot: Everyone | Snapshot, spec: FeatureSpec) -> int | None:
    """Return the day up to which a snapshot's usage is covered; None if it has no usage."""
    if not snapshot.usage_stamp.size:
        return None
    return latest_cutoff(snapshot.usage_stamp, snapshot.as_of, spec.period)


def _free_frame(part: Snapshot, day: int) -> pd.DataFrame:
    free = are_free(part, day)
    columns = ["id", *(one.name for one in part.form.attributes)]
    return part.companies.loc[free, columns].assign(since=part.since[free]).reset_index(drop=True)


def _none_of(spec: FeatureSpec) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    """Return no usage rows."""
    nobody = np.empty(0, np.int32)
    return nobody, nobody, np.empty((0, len(spec.form.measures)), np.uint8)
