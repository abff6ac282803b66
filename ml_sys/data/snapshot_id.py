"""Derive the name of a snapshot from its content.

Invariant: the name depends on the kept rows, the day of the export and the quarantined rows; never on the
order they came in, on file names, on how many parts they are stored in, or on how Parquet writes them.

The name is the SHA-256 over the digests of all buckets of companies. The digest of a bucket is over its
companies by id and their usage by time. Parts are whole buckets, so each part can compute its own digests.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_sys.data.checking.columns import buffers
from ml_sys.data.parts.buckets import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.data.ingesting.company_columns import Companies
    from ml_sys.data.parts.sorted_rows import SortedFile
    from ml_sys.data.usage import UsageRows
    from ml_sys.form import Form

SCHEMA_VERSION = 3
ID_DIGITS = 16
_NULL_LENGTH = -1


@dataclass(frozen=True)
class Content:
    """The content of a snapshot besides usage, before it has a name.

    Attributes
    ----------
    companies : Companies
        As `ml_sys.data.ingesting.uniting.unite` returns them.
    quarantine : pyarrow.Table or SortedFile
        As `ml_sys.data.quarantine.Quarantine.in_order` returns it.
    as_of : int
        Days since 1970-01-01.
    form : Form
        The form of the tables.
    time_zone : str
        Time zone of the days.
    """

    companies: Companies
    quarantine: pa.Table | SortedFile
    as_of: int
    form: Form
    time_zone: str = "UTC"


def identity(content: Content, buckets: NDArray[np.uint8]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a snapshot's content.

    Parameters
    ----------
    buckets : ndarray of shape (`BUCKETS`, 32), uint8
        The sum of :func:`bucket_digests` over all parts.
    """
    digest = hashlib.sha256(f"mlsys snapshot {SCHEMA_VERSION} as of {content.as_of}".encode())
    meant = [asdict(content.form), content.time_zone]
    digest.update(json.dumps(meant, sort_keys=True, default=str).encode())
    digest.update(np.ascontiguousarray(buckets).data)
    return _with_quarantine(digest, content.quarantine, ("table", "reason", "raw"))


def bucket_digests(
    companies: Mapping[str, Any],
    buckets: NDArray[np.uint16],
    usage: UsageRows,
    counts: np.dtype[Any] | None = None,
) -> NDArray[np.uint8]:
    """Return the SHA-256 of each bucket; zeros for buckets without companies here.

    Parameters
    ----------
    companies : mapping of str to array
        Columns of all companies of some buckets, sorted by id.
    buckets : ndarray of shape (n,), uint16
        The bucket of each company.
    usage : UsageRows
        Usage of these companies by position, sorted by company and stamp.
    counts : numpy.dtype, optional
        Type of the form's values, if those of ``usage`` are narrower.

    Returns
    -------
    ndarray of shape (`BUCKETS`, 32), uint8
    """
    counts = usage.measures.dtype if counts is None else counts
    found = np.zeros((BUCKETS, hashlib.sha256().digest_size), np.uint8)
    order = np.argsort(buckets, kind="stable")
    there, sizes = np.unique(buckets, return_counts=True)
    ends = np.cumsum(sizes)
    n_rows = np.bincount(usage.company, minlength=len(order))
    columns = [_Column.of(column, order) for column in companies.values()]
    columns.append(_Column.numbers(n_rows[order]))
    first = np.cumsum(n_rows) - n_rows
    n_rows = n_rows[order]
    row_ends = np.cumsum(n_rows)
    at = np.repeat(first[order] - (row_ends - n_rows), n_rows)
    at += np.arange(len(at))
    start, row_start = 0, 0
    for bucket, end in zip(there.tolist(), ends.tolist(), strict=True):
        digest = hashlib.sha256(str(end - start).encode())
        for column in columns:
            column.add(digest, start, end)
        row_end = int(row_ends[end - 1])
        mine = at[row_start:row_end]  # a bucket at a time, which fits into the processor's cache
        digest.update(usage.stamp.take(mine).data)
        digest.update(usage.measures.take(mine, axis=0).astype(counts, copy=False).data)
        found[bucket] = np.frombuffer(digest.digest(), np.uint8)
        start, row_start = end, row_end
    return found


@dataclass(frozen=True)
class _Column:
    """The bytes of a column: values, or texts and the end of each."""

    values: NDArray[Any]
    texts: NDArray[np.uint8] | None = None
    ends: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, column: Any, order: NDArray[np.intp]) -> _Column:
        """Make one from a column, in some order."""
        if isinstance(column, np.ndarray):
            return cls.numbers(column[order])
        texts = column.take(pa.array(order))
        return cls(_lengths(texts), buffers(texts)[1], buffers(texts)[0].astype(np.int64))

    @classmethod
    def numbers(cls, values: NDArray[Any]) -> _Column:
        """Make one from numbers."""
        return cls(np.ascontiguousarray(values))

    def add(self, digest: Any, start: int, end: int) -> None:
        """Add some values to a digest; texts with their lengths, so that no two lists look alike."""
        digest.update(self.values[start:end].data)
        if self.texts is not None and self.ends is not None:
            low, high = self.ends[start] - self.ends[0], self.ends[end] - self.ends[0]
            digest.update(self.texts[low:high].data)


def arrow_texts(texts: pd.Series[Any]) -> Any:
    """Convert a column of text to a `pyarrow.StringArray`, whatever its type in pandas."""
    if texts.dtype.name == "str":
        found: Any = pa.array(texts.array, pa.string())
        found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
        if np.maximum(_lengths(found), 0).sum() == len(buffers(found)[1]):  # no bytes are hidden under nulls
            return found
    return pa.array(texts.to_numpy(dtype=object), pa.string(), from_pandas=True)


def quarantine_identity(quarantine: pa.Table | SortedFile) -> str:
    """Return such a digest for a quarantine alone, including its file names."""
    return _with_quarantine(hashlib.sha256(), quarantine, ("table", "file", "reason", "raw"))


def _with_quarantine(digest: Any, quarantine: pa.Table | SortedFile, names: tuple[str, ...]) -> str:
    """Add columns of texts, each after the lengths of its texts, so that no two lists look alike."""
    for name in names:
        for texts in _pieces(quarantine, name):
            digest.update(_lengths(texts).data)
        for texts in _pieces(quarantine, name):
            digest.update(buffers(texts)[1].data)
    text: str = digest.hexdigest()
    return text[:ID_DIGITS]


def _pieces(quarantine: pa.Table | SortedFile, name: str) -> Iterable[Any]:
    return quarantine[name].chunks if isinstance(quarantine, pa.Table) else quarantine.texts(name)


def _lengths(texts: Any) -> NDArray[np.int64]:
    """Return the length of each text; a null has another length than a blank."""
    lengths = pc.binary_length(texts).fill_null(_NULL_LENGTH).to_numpy()
    return np.ascontiguousarray(lengths.astype(np.int64))
