"""What a snapshot says, and the name that follows from it.

Invariant: the name depends on the kept rows, the day of the export and the quarantined rows; never on the
order they came in, on files' names, or on how Parquet writes them.
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

if TYPE_CHECKING:
    import pandas as pd

    from ml_sys.data.usage import UsageRows
    from ml_sys.form import Form

SCHEMA_VERSION = 2
ID_DIGITS = 16
_NULL_LENGTH = -1


@dataclass(frozen=True)
class Content:
    """What a snapshot says, before it has a name.

    Attributes
    ----------
    companies : pandas.DataFrame
        As `ml_sys.data.companies.reconcile` returns it.
    usage : UsageRows
        Sorted by company and stamp.
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
    usage: UsageRows
    quarantine: pa.Table
    as_of: int
    form: Form
    time_zone: str = "UTC"


def identity(content: Content) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of what a snapshot says."""
    digest = hashlib.sha256(f"mlsys snapshot {SCHEMA_VERSION} as of {content.as_of}".encode())
    meant = [asdict(content.form), content.time_zone]
    digest.update(json.dumps(meant, sort_keys=True, default=str).encode())
    companies: dict[str, pd.Series[Any]] = {str(name): content.companies[name] for name in content.companies}
    for column in companies.values():
        if column.dtype.kind in "if":
            digest.update(np.ascontiguousarray(column).data)
        else:
            _add_texts(digest, arrow_texts(column))
    for values in (content.usage.company, content.usage.stamp, content.usage.measures):
        digest.update(np.ascontiguousarray(values).data)
    return _with_quarantine(digest, content.quarantine, ("table", "reason", "raw"))


def arrow_texts(texts: pd.Series[Any]) -> Any:
    """Return a column of text as a `pyarrow.StringArray`, whatever pandas keeps it in."""
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
    lengths = pc.binary_length(texts).fill_null(_NULL_LENGTH).to_numpy()
    digest.update(lengths.astype(np.int64).data)
    digest.update(buffers(texts)[1].data)
