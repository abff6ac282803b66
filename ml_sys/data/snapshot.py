"""Snapshots: tables as they were at one moment, on disk under a name derived from their content.

``artifacts/snapshots/<id>/`` holds companies.parquet, usage.parquet, quarantine.parquet and manifest.json,
and never changes. If there is much usage, the first two are several files each, and :func:`parts` reads one
part at a time. Invariant: nothing is returned before its digest was compared.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.data.parts.everyone import Everyone
from ml_sys.data.parts.outline import Outline
from ml_sys.data.parts.parted import Parts
from ml_sys.data.parts.stored import (
    AGAIN,
    COMPANIES,
    MANIFEST,
    QUARANTINE,
    TABLES,
    USAGE,
    Manifest,
    digest,
)
from ml_sys.data.parts.whole import Snapshot, Tables, whole
from ml_sys.errors import SnapshotError

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.form import Form

__all__ = [  # what is read from files below is named here as well
    "COMPANIES",
    "MANIFEST",
    "QUARANTINE",
    "TABLES",
    "USAGE",
    "Everyone",
    "Outline",
    "Parts",
    "Snapshot",
    "Tables",
    "converted_later",
    "digest",
    "everyone",
    "exists",
    "latest",
    "latest_form",
    "latest_path",
    "load",
    "load_tables",
    "opened",
    "opened_latest",
    "parts",
    "stored",
    "verifies",
]

FOLDER, QUARANTINE_FOLDER = "snapshots", "quarantine"
# All files of companies in a snapshot's folder, by pattern.
COMPANIES_FILES = "companies*.parquet"
LATEST = "latest.json"
LATER = "converted_later"


def parts(path: Path) -> Parts:
    """Open a snapshot to be read part by part.

    Parameters
    ----------
    path : Path
        Folder of the snapshot.

    Raises
    ------
    SnapshotError
        If it is missing, or of another version; parts are checked when they are read.
    """
    return Parts(Manifest.read(path))


def everyone(artifacts_dir: Path) -> Everyone:
    """Read the companies of the snapshot that was ingested last, without their usage.

    Raises
    ------
    SnapshotError
        If there is none, or a file of companies does not verify.
    """
    return Everyone.of(parts(latest_path(artifacts_dir)))


def opened(path: Path) -> Snapshot | Outline:
    """Load a snapshot like :func:`load` if it has one part, and otherwise without its usage.

    Raises
    ------
    SnapshotError
        As there.
    """
    several = parts(path)
    return load(path) if len(several) == 1 else Outline.read(several)


def load(path: Path) -> Snapshot:
    """Read a snapshot after comparing every file with the digest in its manifest.

    Parameters
    ----------
    path : Path
        Folder of the snapshot.

    Raises
    ------
    SnapshotError
        If it is missing, incomplete, changed or of another version; the message names the file.
    """
    return Snapshot.of(load_tables(path), path)


def load_tables(path: Path) -> Tables:
    """Read a snapshot like :func:`load`, without pandas.

    Raises
    ------
    SnapshotError
        As there.
    """
    return whole(Manifest.read(path))


def latest_form(artifacts_dir: Path) -> Form | None:
    """Return the form of the tables ingested last; None if there is no readable snapshot."""
    try:
        form: Form = Manifest.read(latest_path(artifacts_dir)).form
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


def opened_latest(artifacts_dir: Path) -> Snapshot | Outline:
    """Open the snapshot that was ingested last, as :func:`opened` does.

    Raises
    ------
    SnapshotError
        If there is none, or it does not verify.
    """
    return opened(latest_path(artifacts_dir))


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
    """Return conversion days after the latest snapshot's day, by company.

    Labels and features ignore them, as usage does not reach that far. But a list must not contain companies
    that have paid.

    Raises
    ------
    SnapshotError
        If there is no snapshot.
    """
    days = _pointer(artifacts_dir)[LATER]
    return {entity: int(np.datetime64(day, "D").astype(np.int64)) for entity, day in days.items()}


def stored(artifacts_dir: Path, name: str) -> Parts:
    """Return the snapshot of an id, its parts to be read one by one.

    Raises
    ------
    SnapshotError
        If it is not there.
    """
    return parts(artifacts_dir / FOLDER / name)


def verifies(path: Path) -> bool:
    """Return whether a snapshot is complete and every file matches its manifest."""
    try:
        manifest = Manifest.read(path)
        for name in manifest.files():
            manifest.verified(name)
    except SnapshotError:
        return False
    return True


def _pointer(artifacts_dir: Path) -> dict[str, Any]:
    """Return the stored facts of the latest ingest."""
    pointer = artifacts_dir / FOLDER / LATEST
    try:
        held = json.loads(pointer.read_bytes())
        return {"id": held["id"], LATER: dict(held.get(LATER, {}))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(f"{pointer}: cannot be read: {error}", hint=AGAIN) from error
