"""Read the files of a snapshot: its manifest, and one part at a time.

Invariant: no content of a file is returned before its digest was compared.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
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
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ml_sys.engine.storage import Storage
    from ml_sys.form import Form

COMPANIES, USAGE, QUARANTINE = "companies.parquet", "usage.parquet", "quarantine.parquet"
TABLES = (COMPANIES, USAGE, QUARANTINE)
MANIFEST = "manifest.json"
# Columns with the position of a part's companies among all, and their number of usage rows; attributes cannot
# have these names.
POSITION, N_ROWS = "@position", "@usage_rows"
AGAIN = "run `mlsys ingest` again"
_LOST = f"{AGAIN}; if the file is there, make sure that workers can reach this folder, or set engine.storage"
# In one part, like small snapshots of the present version; only their ids were computed differently.
_BEFORE_PARTS = 2


@dataclass(frozen=True)
class Manifest:
    """The manifest of a snapshot.

    Attributes
    ----------
    path : Path
        Folder of the snapshot.
    as_of : int
        Day after which nothing is known.
    sizes : tuple of (int, int)
        Companies and usage rows of each part.
    sha256 : mapping of str to str
        Digest by file name.
    storage : Storage, optional
        Where to read files from instead of the folder, under the id and their digests.
    """

    path: Path
    id: str
    as_of: int
    form: Form
    sizes: tuple[tuple[int, int], ...]
    sha256: Mapping[str, str]
    storage: Storage | None = None

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read the manifest in a folder.

        Raises
        ------
        SnapshotError
            If it is missing, invalid, or of another version.
        """
        with readable(path / MANIFEST) as file:
            content = file.read_bytes()
        try:
            plain = json.loads(content)
            version = plain["schema_version"]
            as_of = int(np.datetime64(plain["as_of"], "D").astype(np.int64))
            name, sha256 = str(plain["id"]), dict(plain["sha256"])
            if version in {SCHEMA_VERSION, _BEFORE_PARTS}:
                whole = [{"companies": plain["companies"], "usage_rows": plain["usage_rows"]}]
                parts = plain["parts"] if version == SCHEMA_VERSION else whole
                sizes = tuple((int(one["companies"]), int(one["usage_rows"])) for one in parts)
                return cls(path, name, as_of, form_from_plain(plain["form"]), sizes, sha256)
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotError(f"{path / MANIFEST}: cannot be read: {error}", hint=AGAIN) from error
        raise SnapshotError(f"{path / MANIFEST}: has version {version}, not {SCHEMA_VERSION}", hint=AGAIN)

    def files(self) -> list[str]:
        """Return the names of all files except the manifest."""
        return [*names_of(COMPANIES, len(self.sizes)), *names_of(USAGE, len(self.sizes)), QUARANTINE]

    def size(self, name: str) -> int:
        """Return the size of a file in the folder, in bytes.

        Raises
        ------
        SnapshotError
            If it is not there.
        """
        with readable(self.path / name) as path:
            return path.stat().st_size

    def verified(self, name: str) -> bytes:
        """Return the content of a file after comparing its digest.

        Raises
        ------
        SnapshotError
            If it cannot be read, or differs from the manifest.
        EngineError
            The same for a file in a storage.
        """
        if self.storage is not None and name in self.sha256:
            return self.storage.read(self.id, self.sha256[name])
        path = self.path / name
        with readable(path):
            content = path.read_bytes()
        if digest(content) != self.sha256.get(name):
            raise SnapshotError(f"{path}: differs from its manifest, so it was changed", hint=AGAIN)
        return content

    def table(self, kind: str, part: int, columns: list[str] | None = None) -> pa.Table:
        """Read the companies or the usage of a part, with all or some columns."""
        name = names_of(kind, len(self.sizes))[part]
        return pq.ParquetFile(pa.BufferReader(self.verified(name))).read(columns)


@dataclass(frozen=True)
class StoredCompanies:
    """The n companies of a part, as they are stored.

    Attributes
    ----------
    table : pyarrow.Table
        Columns id, value and the attributes.
    closed, since : ndarray of shape (n,), int32
    position : ndarray of shape (n,), int32, or None
        Of each among all companies, ascending; None if all are in this part.
    n_rows : ndarray of shape (n,), int32, or None
        Number of usage rows of each; None if all are in this part.
    """

    table: pa.Table
    closed: NDArray[np.int32]
    since: NDArray[np.int32]
    position: NDArray[np.int32] | None
    n_rows: NDArray[np.int32] | None

    @property
    def positions(self) -> NDArray[np.int32]:
        """The position of each among all companies."""
        return np.arange(len(self.closed), dtype=np.int32) if self.position is None else self.position

    @classmethod
    def read(cls, manifest: Manifest, part: int) -> StoredCompanies:
        """Read those of a part."""
        table = manifest.table(COMPANIES, part)
        closed = numbers(table["converted_on"].cast(pa.int32()), blank=NEVER_CLOSED)
        since, position, n_rows = np.full(table.num_rows, NEVER_BEGAN, np.int32), None, None
        told = ["converted_on"]
        if manifest.form.has_since:
            since = numbers(table["since"].cast(pa.int32()), blank=NEVER_BEGAN)
            told.append("since")
        if len(manifest.sizes) > 1:
            position, n_rows = numbers(table[POSITION]), numbers(table[N_ROWS])
            told += [POSITION, N_ROWS]
        return cls(table.drop_columns(told), closed, since, position, n_rows)


@dataclass(frozen=True)
class StoredUsage:
    """The m usage rows of a part, sorted by company and stamp.

    Attributes
    ----------
    company : ndarray of shape (m,), int32
        Position among the companies of the part.
    stamp : ndarray of shape (m,), int32
        Day of the stamp, rounded up.
    counted : ndarray of shape (m, n_measures), int32 or int64
    """

    company: NDArray[np.int32]
    stamp: NDArray[np.int32]
    counted: NDArray[Any]

    @classmethod
    def read(cls, manifest: Manifest, part: int) -> StoredUsage:
        """Read those of a part."""
        table = manifest.table(USAGE, part)
        stamps = days_of_stamps(numbers(table["stamp"].cast(pa.int64())))
        names = manifest.form.measure_names
        values: NDArray[Any] = np.zeros((table.num_rows, 0), np.int32)
        for i, name in enumerate(names):
            column = numbers(table[name])
            if not i:
                values = np.empty((table.num_rows, len(names)), column.dtype)
            values[:, i] = column
        return cls(numbers(table["company"]), stamps, values)


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Turn an error of the file system within the block into a one-line error.

    Raises
    ------
    SnapshotError
        If a snapshot's file cannot be read.
    """
    try:
        yield path
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be read: {error.strerror or error}", hint=_LOST) from error


def names_of(kind: str, n_parts: int) -> list[str]:
    """Return the names of the files with the companies or the usage, by part."""
    if n_parts == 1:
        return [kind]
    stem, _, suffix = kind.partition(".")
    return [f"{stem}-{part:04d}.{suffix}" for part in range(n_parts)]


def digest(content: bytes) -> str:
    """Return the digest of a file's content, as in a manifest."""
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    """Return the same for a file, without reading all of it into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def numbers(column: Any, blank: int = 0) -> NDArray[Any]:
    """Convert integers to an array, with ``blank`` for nulls; pyarrow's own way would import pandas."""
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
