"""Write a snapshot and its quarantine below the artifacts folder.

Invariant: a snapshot's folder appears by one rename after everything in it is on the disk. A dying process
leaves no snapshot or a whole one, and at worst temporary names, which the next write removes.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from ml_sys.data.checking.values import day_text
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot import (
    COMPANIES,
    FOLDER,
    LATER,
    LATEST,
    MANIFEST,
    QUARANTINE,
    QUARANTINE_FOLDER,
    TABLES,
    USAGE,
    digest,
    verifies,
)
from ml_sys.data.snapshot_id import SCHEMA_VERSION, Content, arrow_texts, identity, quarantine_identity
from ml_sys.durable import TEMPORARY_PREFIX, publish_folder, temporary_name, write_durably
from ml_sys.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd

_LOCK = ".lock"
# Columns that hold days, and the number that stands for none.
_DAYS = {"converted_on": NEVER_CLOSED, "since": NEVER_BEGAN}
# Small integers packed as differences: as small as with Parquet's defaults, in half the time.
_PACKED = "DELTA_BINARY_PACKED"
_USAGE_ENCODING: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": ["stamp"],
    "write_statistics": False,
}


def write(
    content: Content,
    artifacts_dir: Path,
    *,
    sources: Mapping[str, str],
    read: Mapping[str, int],
    now: datetime,
    converted_later: Mapping[str, int] | None = None,
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
    converted_later : mapping of str to int, optional
        Day after the snapshot's on which companies converted, as the same tables say; kept beside it.

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
        is_new = not verifies(final)
        if is_new:
            staging = folder / temporary_name()
            staging.mkdir()
            _write_tables(content, staging)
            manifest = {
                "schema_version": SCHEMA_VERSION,
                "id": name,
                "as_of": day_text(content.as_of),
                "form": asdict(content.form),
                "time_zone": content.time_zone,
                "created_at": written_at,
                "sources": dict(sources),
                "read": dict(read),
                "companies": len(content.companies),
                "customers": int((content.companies["converted_on"] != NEVER_CLOSED).sum()),
                "usage_rows": len(content.usage.stamp),
                "quarantined": content.quarantine.num_rows,
                "sha256": {table: digest((staging / table).read_bytes()) for table in TABLES},
            }
            (staging / MANIFEST).write_bytes(_json(manifest))
            if final.exists():
                shutil.rmtree(final)
            publish_folder(staging, final)
        latest: dict[str, Any] = {"id": name, "ingested_at": written_at}
        if converted_later:
            latest[LATER] = {entity: day_text(day) for entity, day in sorted(converted_later.items())}
        write_durably(folder / LATEST, _json(latest))
    return final, is_new


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
    names = content.form.measure_names
    told: dict[str, Any] = {str(name): _told(name, column) for name, column in companies.items()}
    counted: dict[str, Any] = {
        "company": usage.company,
        "stamp": pa.array(usage.stamp).cast(pa.timestamp("us")),
        **{name: np.ascontiguousarray(usage.measures[:, i]) for i, name in enumerate(names)},
    }
    pq.write_table(pa.table(told), folder / COMPANIES)
    encoding = _USAGE_ENCODING | {"column_encoding": dict.fromkeys(("company", *names), _PACKED)}
    pq.write_table(pa.table(counted), folder / USAGE, **encoding)
    pq.write_table(content.quarantine, folder / QUARANTINE)


def _told(name: Any, column: pd.Series[Any]) -> Any:
    """Return a column of companies as it is stored: days as dates, numbers as they are, texts as texts."""
    if name in _DAYS:
        days = column.to_numpy()
        return pa.array(days, mask=days == _DAYS[name]).cast(pa.date32())
    return column.to_numpy() if column.dtype.kind == "f" else arrow_texts(column)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Lock a folder, and remove what a dead process left in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK):
            for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            yield
    except OSError as error:
        raise SnapshotError(
            f"{folder}: cannot be written: {error.strerror or error}",
            hint="check the folder, its permissions and the disk",
        ) from error


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
