"""Snapshots: tables as they were at one moment, on disk under a name derived from what they say.

``artifacts/snapshots/<id>/`` holds companies.parquet, usage.parquet, quarantine.parquet and manifest.json,
and never changes. Invariant: nothing of it is given out before its digest was compared.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot_id import SCHEMA_VERSION
from ml_sys.days import days_of_stamps
from ml_sys.errors import SnapshotError
from ml_sys.form import form_from_plain

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.form import Form

COMPANIES, USAGE, QUARANTINE = "companies.parquet", "usage.parquet", "quarantine.parquet"
FOLDER, QUARANTINE_FOLDER = "snapshots", "quarantine"
TABLES = (COMPANIES, USAGE, QUARANTINE)
MANIFEST, LATEST = "manifest.json", "latest.json"
LATER = "converted_later"

_AGAIN = "run `mlsys ingest` again"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in memory: n companies and m usage rows.

    Attributes
    ----------
    id : str
        The first 16 hexadecimal digits of the SHA-256 of what it says, whatever order the rows came in.
    companies : pandas.DataFrame
        Sorted by id; columns id (text), value (float64; NaN for none), and the attributes of the form: a
        number is float64 (infinite where there is none, NaN for blank), a flag is 0, 1 or NaN, anything else
        text or missing.
    closed : ndarray of shape (n,), int32
        Day it converted, since 1970-01-01; `NEVER_CLOSED` for the others.
    usage_company : ndarray of shape (m,), int32
        Position in ``companies``, ascending.
    usage_stamp : ndarray of shape (m,), int32
        Day of the stamp, rounded up: a stamp at 13:00 counts as the next day. Ascending within a company.
    usage_values : ndarray of shape (m, n_measures), int32 or int64
        In the order of the form's measures; each a whole number of its digits behind the point.
    as_of : int
        Day after which nothing is known.
    form : Form
        What the tables mean.
    since : ndarray of shape (n,), int32
        Day on which each began to exist, since 1970-01-01; `NEVER_BEGAN` where that is not known.
    """

    id: str
    path: Path
    companies: pd.DataFrame
    closed: NDArray[np.int32]
    usage_company: NDArray[np.int32]
    usage_stamp: NDArray[np.int32]
    usage_values: NDArray[Any]
    as_of: int
    form: Form
    since: NDArray[np.int32]


@dataclass(frozen=True)
class Tables:
    """A snapshot in memory as :class:`Snapshot`, its companies as they are stored."""

    id: str
    companies: pa.Table
    closed: NDArray[np.int32]
    usage_company: NDArray[np.int32]
    usage_stamp: NDArray[np.int32]
    usage_values: NDArray[Any]
    as_of: int
    form: Form
    since: NDArray[np.int32]


def load(path: Path) -> Snapshot:
    """Read a snapshot after comparing every file with the digest in its manifest.

    Parameters
    ----------
    path : Path
        Folder of the snapshot.

    Raises
    ------
    SnapshotError
        If it is not there, incomplete, changed or of another version; the message names the file.
    """
    tables = load_tables(path)
    return Snapshot(
        id=tables.id,
        path=path,
        companies=tables.companies.to_pandas(),
        closed=tables.closed,
        usage_company=tables.usage_company,
        usage_stamp=tables.usage_stamp,
        usage_values=tables.usage_values,
        as_of=tables.as_of,
        form=tables.form,
        since=tables.since,
    )


def load_tables(path: Path) -> Tables:
    """Read a snapshot like :func:`load`, without pandas.

    Raises
    ------
    SnapshotError
        As there.
    """
    manifest = _manifest(path)
    contents = {table: _verified(path / table, manifest["sha256"].get(table)) for table in TABLES}
    companies = pq.ParquetFile(pa.BufferReader(contents.pop(COMPANIES))).read()
    usage = pq.ParquetFile(pa.BufferReader(contents.pop(USAGE))).read()
    stamps = _numbers(usage["stamp"].cast(pa.int64()))
    form = manifest["form"]
    columns = [_numbers(usage[name]) for name in form.measure_names]
    values = np.empty((usage.num_rows, len(columns)), columns[0].dtype)
    for i, column in enumerate(columns):
        values[:, i] = column
    closed = _numbers(companies["converted_on"].cast(pa.int32()), blank=NEVER_CLOSED)
    since = np.full(companies.num_rows, NEVER_BEGAN, np.int32)
    if form.has_since:
        since = _numbers(companies["since"].cast(pa.int32()), blank=NEVER_BEGAN)
        companies = companies.drop_columns(["since"])
    return Tables(
        id=manifest["id"],
        companies=companies.drop_columns(["converted_on"]),
        closed=closed,
        usage_company=_numbers(usage["company"]),
        usage_stamp=days_of_stamps(stamps),
        usage_values=values,
        as_of=int(np.datetime64(manifest["as_of"], "D").astype(np.int64)),
        form=form,
        since=since,
    )


def latest_form(artifacts_dir: Path) -> Form | None:
    """Return what the tables meant that were ingested last; None if there were none that can be read."""
    try:
        form: Form = _manifest(latest_path(artifacts_dir))["form"]
    except SnapshotError:
        return None
    return form


def exists(artifacts_dir: Path) -> bool:
    """Return whether anything was ingested into an artifacts folder."""
    return (artifacts_dir / FOLDER / LATEST).exists()


def latest(artifacts_dir: Path) -> Snapshot:
    """Load the snapshot that was ingested last.

    Raises
    ------
    SnapshotError
        If there is none, or it does not verify.
    """
    return load(latest_path(artifacts_dir))


def latest_path(artifacts_dir: Path) -> Path:
    """Return the folder of the snapshot that was ingested last.

    Raises
    ------
    SnapshotError
        If there is none.
    """
    folder = artifacts_dir / FOLDER
    if not exists(artifacts_dir):
        raise SnapshotError(f"{folder}: there is no snapshot yet", hint="run `mlsys ingest` first")
    return folder / str(_pointer(artifacts_dir)["id"])


def converted_later(artifacts_dir: Path) -> dict[str, int]:
    """Return the days after that of the latest snapshot on which its tables say companies converted.

    No label and no feature knows of them, for usage does not reach that far; a list must not name who has
    paid all the same.

    Raises
    ------
    SnapshotError
        If there is no snapshot.
    """
    days = _pointer(artifacts_dir)[LATER]
    return {entity: int(np.datetime64(day, "D").astype(np.int64)) for entity, day in days.items()}


def stored(artifacts_dir: Path, name: str) -> Snapshot:
    """Load the snapshot of an id.

    Raises
    ------
    SnapshotError
        If it is not there, or does not verify.
    """
    return load(artifacts_dir / FOLDER / name)


def verifies(path: Path) -> bool:
    """Return whether a whole snapshot is there, every file as its manifest says."""
    try:
        manifest = _manifest(path)
        for table in TABLES:
            _verified(path / table, manifest["sha256"].get(table))
    except SnapshotError:
        return False
    return True


def digest(content: bytes) -> str:
    """Return the digest that a manifest keeps of a file."""
    return hashlib.sha256(content).hexdigest()


def _numbers(column: Any, blank: int = 0) -> NDArray[Any]:
    """Return integers as an array, with ``blank`` for blanks; pyarrow's own way imports pandas."""
    dtype = np.dtype(f"int{column.type.bit_width}")
    parts = [np.empty(0, dtype)]
    for chunk in column.chunks:
        validity, content = chunk.buffers()
        part = np.frombuffer(content, dtype)[chunk.offset : chunk.offset + len(chunk)]
        if chunk.null_count:
            bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
            part = np.where(bits[chunk.offset : chunk.offset + len(chunk)] == 1, part, dtype.type(blank))
        parts.append(part)
    return np.concatenate(parts)


def _pointer(artifacts_dir: Path) -> dict[str, Any]:
    """Return what is kept of the latest ingest."""
    pointer = artifacts_dir / FOLDER / LATEST
    try:
        held = json.loads(pointer.read_bytes())
        return {"id": held["id"], LATER: dict(held.get(LATER, {}))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(f"{pointer}: cannot be read: {error}", hint=_AGAIN) from error


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        version = manifest["schema_version"]
        np.datetime64(manifest["as_of"], "D")
        known = {"id": str(manifest["id"]), "as_of": manifest["as_of"], "sha256": dict(manifest["sha256"])}
        if version == SCHEMA_VERSION:
            known["form"] = form_from_plain(manifest["form"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{path / MANIFEST}: cannot be read: {error}", hint=_AGAIN) from error
    if version != SCHEMA_VERSION:
        raise SnapshotError(f"{path / MANIFEST}: has version {version}, not {SCHEMA_VERSION}", hint=_AGAIN)
    return known


def _verified(path: Path, expected: str | None) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be read: {error.strerror}", hint=_AGAIN) from error
    if digest(content) != expected:
        raise SnapshotError(f"{path}: differs from its manifest, so it was changed", hint=_AGAIN)
    return content
