"""Snapshots: the three tables as they were at one moment, on disk under a name derived from what they say.

``artifacts/snapshots/<id>/`` holds companies.parquet, usage.parquet, quarantine.parquet and manifest.json,
and never changes. Invariant: the folder appears by one rename after everything in it is on the disk. A dying
process leaves no snapshot or a whole one, and at worst temporary names, which the next write removes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from ml_sys.data.schema import MEASURES, NEVER_CLOSED
from ml_sys.data.snapshot_id import SCHEMA_VERSION, Content, arrow_texts, identity, quarantine_identity
from ml_sys.data.values import day_text
from ml_sys.days import days_of_stamps
from ml_sys.durable import TEMPORARY_PREFIX, publish_folder, temporary_name, write_durably
from ml_sys.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

COMPANIES, USAGE, QUARANTINE = "companies.parquet", "usage.parquet", "quarantine.parquet"
FOLDER, QUARANTINE_FOLDER = "snapshots", "quarantine"
TABLES = (COMPANIES, USAGE, QUARANTINE)
MANIFEST, LATEST = "manifest.json", "latest.json"

_LOCK = ".lock"
# Small integers packed as differences: as small as with Parquet's defaults, in half the time.
_USAGE_ENCODING: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": ["stamp"],
    "column_encoding": dict.fromkeys(("company", *MEASURES), "DELTA_BINARY_PACKED"),
    "write_statistics": False,
}
_AGAIN = "run `mlsys ingest` again"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in memory: n companies and m usage rows.

    Attributes
    ----------
    id : str
        The first 16 hexadecimal digits of the SHA-256 of what it says, whatever order the rows came in.
    companies : pandas.DataFrame
        Sorted by id; columns id (text), alexa_rank (float64; infinite for unranked, NaN for blank),
        employee_range and industry (text or missing), mrr (float64; NaN for none).
    closed : ndarray of shape (n,), int32
        Day it became a customer, since 1970-01-01; `NEVER_CLOSED` for the others.
    usage_company : ndarray of shape (m,), int32
        Position in ``companies``, ascending.
    usage_stamp : ndarray of shape (m,), int32
        Day of the stamp, rounded up: a stamp at 13:00 counts as the next day. Ascending within a company.
    usage_values : ndarray of shape (m, 8), int32
        In the order of `MEASURES`.
    as_of : int
        Day after which nothing is known.
    """

    id: str
    path: Path
    companies: pd.DataFrame
    closed: NDArray[np.int32]
    usage_company: NDArray[np.int32]
    usage_stamp: NDArray[np.int32]
    usage_values: NDArray[np.int32]
    as_of: int


@dataclass(frozen=True)
class Tables:
    """A snapshot in memory as :class:`Snapshot`, its companies as they are stored."""

    id: str
    companies: pa.Table
    closed: NDArray[np.int32]
    usage_company: NDArray[np.int32]
    usage_stamp: NDArray[np.int32]
    usage_values: NDArray[np.int32]
    as_of: int


def write(
    content: Content,
    artifacts_dir: Path,
    *,
    sources: Mapping[str, str],
    read: Mapping[str, int],
    now: datetime,
) -> tuple[Path, bool]:
    """Store a snapshot, unless it is there already, and make it the latest.

    Parameters
    ----------
    artifacts_dir : Path
        Folder of all artifacts.
    sources : mapping of str to str
        Table to the file or table it came from.
    read : mapping of str to int
        Table to rows read.
    now : datetime
        Aware.

    Returns
    -------
    is_new : bool
        False if the same content was stored before. A stored one that no longer verifies is replaced.

    Raises
    ------
    SnapshotError
        If the folder cannot be written.
    """
    name = identity(content)
    written_at = now.astimezone(UTC).isoformat(timespec="seconds")
    folder = artifacts_dir / FOLDER
    final = folder / name
    with _writing(folder):
        is_new = not _verifies(final)
        if is_new:
            staging = folder / temporary_name()
            staging.mkdir()
            _write_tables(content, staging)
            manifest = {
                "schema_version": SCHEMA_VERSION,
                "id": name,
                "as_of": day_text(content.as_of),
                "created_at": written_at,
                "sources": dict(sources),
                "read": dict(read),
                "companies": len(content.companies),
                "customers": int((content.companies["closedate"] != NEVER_CLOSED).sum()),
                "usage_rows": len(content.usage.stamp),
                "quarantined": content.quarantine.num_rows,
                "sha256": {table: _digest((staging / table).read_bytes()) for table in TABLES},
            }
            (staging / MANIFEST).write_bytes(_json(manifest))
            if final.exists():
                shutil.rmtree(final)
            publish_folder(staging, final)
        write_durably(folder / LATEST, _json({"id": name, "ingested_at": written_at}))
    return final, is_new


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
    values = np.empty((usage.num_rows, len(MEASURES)), np.int32)
    for i, name in enumerate(MEASURES):
        values[:, i] = _numbers(usage[name])
    return Tables(
        id=manifest["id"],
        companies=companies.drop_columns(["closedate"]),
        closed=_numbers(companies["closedate"].cast(pa.int32()), blank=NEVER_CLOSED),
        usage_company=_numbers(usage["company"]),
        usage_stamp=days_of_stamps(stamps),
        usage_values=values,
        as_of=int(np.datetime64(manifest["as_of"], "D").astype(np.int64)),
    )


def exists(artifacts_dir: Path) -> bool:
    """Say whether anything was ingested into an artifacts folder."""
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
    pointer = artifacts_dir / FOLDER / LATEST
    if not exists(artifacts_dir):
        raise SnapshotError(f"{pointer.parent}: there is no snapshot yet", hint="run `mlsys ingest` first")
    try:
        name = str(json.loads(pointer.read_bytes())["id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{pointer}: cannot be read: {error}", hint=_AGAIN) from error
    return pointer.parent / name


def stored(artifacts_dir: Path, name: str) -> Snapshot:
    """Load the snapshot of an id.

    Raises
    ------
    SnapshotError
        If it is not there, or does not verify.
    """
    return load(artifacts_dir / FOLDER / name)


def keep_quarantine(quarantine: pa.Table, artifacts_dir: Path) -> Path:
    """Write the quarantine of an ingest that failed, and return its path.

    Raises
    ------
    SnapshotError
        If the folder cannot be written.
    """
    folder = artifacts_dir / QUARANTINE_FOLDER
    path = folder / f"{quarantine_identity(quarantine)}.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(quarantine, sink)
    with _writing(folder):
        write_durably(path, sink.getvalue().to_pybytes())
    return path


def _write_tables(content: Content, folder: Path) -> None:
    companies, usage = content.companies, content.usage
    never = (companies["closedate"] == NEVER_CLOSED).to_numpy()
    columns: dict[str, dict[str, Any]] = {
        COMPANIES: {
            "id": arrow_texts(companies["id"]),
            "closedate": pa.array(companies["closedate"].to_numpy(), mask=never).cast(pa.date32()),
            "mrr": companies["mrr"].to_numpy(),
            "alexa_rank": companies["alexa_rank"].to_numpy(),
            "employee_range": arrow_texts(companies["employee_range"]),
            "industry": arrow_texts(companies["industry"]),
        },
        USAGE: {
            "company": usage.company,
            "stamp": pa.array(usage.stamp).cast(pa.timestamp("us")),
            **{name: np.ascontiguousarray(usage.measures[:, i]) for i, name in enumerate(MEASURES)},
        },
    }
    pq.write_table(pa.table(columns[COMPANIES]), folder / COMPANIES)
    pq.write_table(pa.table(columns[USAGE]), folder / USAGE, **_USAGE_ENCODING)
    pq.write_table(content.quarantine, folder / QUARANTINE)


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


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        version = manifest["schema_version"]
        np.datetime64(manifest["as_of"], "D")
        known = {"id": str(manifest["id"]), "as_of": manifest["as_of"], "sha256": dict(manifest["sha256"])}
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
    if _digest(content) != expected:
        raise SnapshotError(f"{path}: is not what its manifest says, so it was changed", hint=_AGAIN)
    return content


def _verifies(path: Path) -> bool:
    try:
        manifest = _manifest(path)
        for table in TABLES:
            _verified(path / table, manifest["sha256"].get(table))
    except SnapshotError:
        return False
    return True


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Hold a folder alone, and remove what a dead process left in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK):
            for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            yield
    except OSError as error:
        raise SnapshotError(
            f"{folder}: cannot be written: {error.strerror or error}",
            hint="check the folder, its rights and the disk",
        ) from error


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
