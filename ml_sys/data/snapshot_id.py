"""What a snapshot says, and the name that follows from it.

Invariant: the name depends on the kept rows, the day of the export and the quarantined rows; never on the
order they came in, on files' names, on how many parts they are stored in, or on how Parquet writes them.

The name is the SHA-256 of those of all buckets of companies, each over the companies of the bucket by id and
over their usage by time. Parts are whole buckets, so that each part's are made beside it.
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
    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.data.usage import UsageRows
    from ml_sys.form import Form

SCHEMA_VERSION = 3
ID_DIGITS = 16
_NULL_LENGTH = -1


@dataclass(frozen=True)
class Content:
    """What a snapshot says besides usage, before it has a name.

    Attributes
    ----------
    companies : pandas.DataFrame
        As `ml_sys.data.companies.reconcile` returns it.
    quarantine : pyarrow.Table
        As `ml_sys.data.quarantine.Quarantine.to_table` returns it.
    as_of : int
        Days since 1970-01-01.
    form : Form
        What the tables mean.
    time_zone : str
        What days are those of.
    """

    companies: pd.DataFrame
    quarantine: pa.Table
    as_of: int
    form: Form
    time_zone: str = "UTC"


def identity(content: Content, buckets: NDArray[np.uint8]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of what a snapshot says.

    Parameters
    ----------
    buckets : ndarray of shape (`BUCKETS`, 32), uint8
        Of :func:`bucket_digests`, whose rows of different parts add up.
    """
    digest = hashlib.sha256(f"mlsys snapshot {SCHEMA_VERSION} as of {content.as_of}".encode())
    meant = [asdict(content.form), content.time_zone]
    digest.update(json.dumps(meant, sort_keys=True, default=str).encode())
    digest.update(np.ascontiguousarray(buckets).data)
    return _with_quarantine(digest, content.quarantine, ("table", "reason", "raw"))


def bucket_digests(
    companies: pd.DataFrame,
    buckets: NDArray[np.uint16],
    usage: UsageRows,
    counts: np.dtype[Any] | None = None,
) -> NDArray[np.uint8]:
    """Return the SHA-256 of each bucket, zeros where none of the companies is in it.

    Parameters
    ----------
    companies : pandas.DataFrame
        All those of some buckets, sorted by id.
    buckets : ndarray of shape (n,), uint16
        Of each company.
    usage : UsageRows
        Of these companies by their positions here, sorted by company and stamp.
    counts : numpy.dtype, optional
        Of the form's values, where those of ``usage`` are narrower.

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
    columns = [_Column.of(companies[name].iloc[order]) for name in companies]
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
        mine = at[row_start:row_end]  # a bucket at a time, which the processor's own memory holds
        digest.update(usage.stamp.take(mine).data)
        digest.update(usage.measures.take(mine, axis=0).astype(counts, copy=False).data)
        found[bucket] = np.frombuffer(digest.digest(), np.uint8)
        start, row_start = end, row_end
    return found


@dataclass(frozen=True)
class _Column:
    """Values one after the other, or texts and where each one ends."""

    values: NDArray[Any]
    texts: NDArray[np.uint8] | None = None
    ends: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, column: pd.Series[Any]) -> _Column:
        """Return one as its bytes are."""
        if column.dtype.kind in "if":
            return cls.numbers(column.to_numpy())
        texts = arrow_texts(column)
        return cls(_lengths(texts), buffers(texts)[1], buffers(texts)[0].astype(np.int64))

    @classmethod
    def numbers(cls, values: NDArray[Any]) -> _Column:
        """Return one of numbers."""
        return cls(np.ascontiguousarray(values))

    def add(self, digest: Any, start: int, end: int) -> None:
        """Add some values; texts with their lengths, so that no two lists look alike."""
        digest.update(self.values[start:end].data)
        if self.texts is not None and self.ends is not None:
            low, high = self.ends[start] - self.ends[0], self.ends[end] - self.ends[0]
            digest.update(self.texts[low:high].data)


def arrow_texts(texts: pd.Series[Any]) -> Any:
    """Return a column of text as a `pyarrow.StringArray`, whatever pandas keeps it in."""
    if texts.dtype.name == "str":
        found: Any = pa.array(texts.array, pa.string())
        found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
        if np.maximum(_lengths(found), 0).sum() == len(buffers(found)[1]):  # nothing lies below a blank
            return found
    return pa.array(texts.to_numpy(dtype=object), pa.string(), from_pandas=True)


def quarantine_identity(quarantine: pa.Table) -> str:
    """Return the same digest for a quarantine alone, including its file names."""
    return _with_quarantine(hashlib.sha256(), quarantine, ("table", "file", "reason", "raw"))


def _with_quarantine(digest: Any, quarantine: pa.Table, names: tuple[str, ...]) -> str:
    for name in names:
        _add_texts(digest, pa.array(quarantine[name].to_pylist(), pa.string()))
    text: str = digest.hexdigest()
    return text[:ID_DIGITS]


def _add_texts(digest: Any, texts: Any) -> None:
    """Add texts with their lengths, so that no two lists look alike."""
    digest.update(_lengths(texts).data)
    digest.update(buffers(texts)[1].data)


def _lengths(texts: Any) -> NDArray[np.int64]:
    """Return how long each text is; that of none is unlike that of a blank one."""
    lengths = pc.binary_length(texts).fill_null(_NULL_LENGTH).to_numpy()
    return np.ascontiguousarray(lengths.astype(np.int64))
