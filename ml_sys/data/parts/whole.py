"""A snapshot in memory: all its parts together, or one part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_sys.data.parts.stored import QUARANTINE, StoredCompanies, StoredUsage

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.data.parts.stored import Manifest
    from ml_sys.form import Form


@dataclass(frozen=True)
class _InMemory:
    """What both ways to hold a snapshot of n companies and m usage rows have in common.

    Attributes
    ----------
    id : str
        The first 16 hexadecimal digits of the SHA-256 of its content, whatever order the rows came in.
    closed : ndarray of shape (n,), int32
        Conversion day, since 1970-01-01; `NEVER_CLOSED` for the others.
    usage_company : ndarray of shape (m,), int32
        Position in ``companies``, ascending.
    usage_stamp : ndarray of shape (m,), int32
        Day of the stamp, rounded up: a stamp at 13:00 counts as the next day. Ascending within a company.
    usage_values : ndarray of shape (m, n_measures), int32 or int64; of several parts also uint8 or uint16
        In the order of the form's measures, each scaled by its decimals to a whole number. Values of several
        parts are kept in as few bytes as possible, since they are many.
    as_of : int
        Day after which nothing is known.
    form : Form
        What the tables mean.
    since : ndarray of shape (n,), int32
        First day of each, since 1970-01-01; `NEVER_BEGAN` if unknown.
    """

    id: str
    closed: NDArray[np.int32]
    usage_company: NDArray[np.int32]
    usage_stamp: NDArray[np.int32]
    usage_values: NDArray[Any]
    as_of: int
    form: Form
    since: NDArray[np.int32]


@dataclass(frozen=True)
class Tables(_InMemory):
    """A snapshot in memory, its companies as they are stored."""

    companies: pa.Table


@dataclass(frozen=True)
class Snapshot(_InMemory):
    """A snapshot in memory.

    Attributes
    ----------
    path : Path
        Its folder.
    companies : pandas.DataFrame
        Sorted by id; columns id (text), value (float64; NaN for none), and the attributes of the form: a
        number is float64 (infinite for "none", NaN for a blank), a flag is 0, 1 or NaN, anything else is text
        or missing.
    """

    path: Path
    companies: pd.DataFrame

    @property
    def n_usage_rows(self) -> int:
        """Number of usage rows."""
        return self.usage_stamp.size

    @classmethod
    def of(cls, tables: Tables, path: Path) -> Snapshot:
        """Convert tables that were read from a folder, with their companies as a data frame."""
        return cls(**{**vars(tables), "path": path, "companies": tables.companies.to_pandas()})


def whole(manifest: Manifest) -> Tables:
    """Read all parts, and compare every file with its digest.

    Raises
    ------
    SnapshotError
        If a file is missing or was changed.
    """
    manifest.verified(QUARANTINE)
    if len(manifest.sizes) == 1:
        return _tables(manifest, StoredCompanies.read(manifest, 0), StoredUsage.read(manifest, 0))
    return _tables(manifest, *_united(manifest))


def one_part(manifest: Manifest, part: int) -> Tables:
    """Read one part, with its companies numbered from 0.

    Raises
    ------
    SnapshotError
        If a file of it is missing or was changed.
    """
    return placed_part(manifest, part)[0]


def placed_part(manifest: Manifest, part: int) -> tuple[Tables, NDArray[np.int32]]:
    """Read one part as :func:`one_part` does, and the positions of its companies among all."""
    companies = StoredCompanies.read(manifest, part)
    return _tables(manifest, companies, StoredUsage.read(manifest, part)), companies.positions


def _tables(manifest: Manifest, companies: StoredCompanies, usage: StoredUsage) -> Tables:
    return Tables(
        id=manifest.id,
        companies=companies.table,
        closed=companies.closed,
        usage_company=usage.company,
        usage_stamp=usage.stamp,
        usage_values=usage.counted,
        as_of=manifest.as_of,
        form=manifest.form,
        since=companies.since,
    )


def _united(manifest: Manifest) -> tuple[StoredCompanies, StoredUsage]:
    """Put every company at its overall position, and its usage after that of the companies before it."""
    parts = [StoredCompanies.read(manifest, part) for part in range(len(manifest.sizes))]
    places = [one.position for one in parts if one.position is not None]
    order = np.argsort(np.concatenate(places))
    n_rows = np.concatenate([one.n_rows for one in parts if one.n_rows is not None])[order]
    companies = StoredCompanies(
        pa.concat_tables([one.table for one in parts]).take(order),
        np.concatenate([one.closed for one in parts])[order],
        np.concatenate([one.since for one in parts])[order],
        None,
        None,
    )
    del parts
    ends = np.cumsum(n_rows, dtype=np.int64)
    starts = ends - n_rows
    company = np.repeat(np.arange(len(n_rows), dtype=np.int32), n_rows)
    stamp = np.empty(len(company), np.int32)
    values: NDArray[Any] | None = None
    for number, mine in enumerate(places):
        usage = StoredUsage.read(manifest, number)
        counted = usage.counted
        counted = counted.astype(narrowest(counted), copy=False)
        if values is None:
            values = np.empty((len(company), counted.shape[1]), counted.dtype)
        values = values.astype(np.promote_types(values.dtype, counted.dtype), copy=False)
        # The distance of a row from its company's first row is the same here and there.
        first = np.cumsum(n_rows[mine], dtype=np.int64) - n_rows[mine]
        at = (starts[mine] - first)[usage.company] + np.arange(len(usage.company))
        stamp[at], values[at] = usage.stamp, counted
    return companies, StoredUsage(company, stamp, np.zeros((0, 0), np.int32) if values is None else values)


def narrowest(counted: NDArray[Any]) -> np.dtype[Any]:
    """Return the narrowest type that holds counts; types of four bytes or more are signed."""
    low, high = counted.min(initial=0), counted.max(initial=0)
    for kind in (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int32)):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    return counted.dtype
