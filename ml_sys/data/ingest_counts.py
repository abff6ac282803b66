"""How many rows of each table an ingest read, refused and merged: what a snapshot on disk says of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from ml_sys.data.quarantine import MERGED
from ml_sys.data.snapshot import MANIFEST, QUARANTINE
from ml_sys.data.usage import LATER, UNCOVERED, UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Rows that are not wrong, but of days that the export does not cover.
_NOT_YET = frozenset({UNFINISHED, UNCOVERED, LATER})


@dataclass(frozen=True)
class IngestCounts:
    """Rows by table: read, refused since they are wrong, and merged into others."""

    read: Mapping[str, int]
    rejected: Mapping[str, int]
    merged: Mapping[str, int]


def ingest_counts(snapshot: Path) -> IngestCounts:
    """Return what was read and not taken as it stands.

    Parameters
    ----------
    snapshot : Path
        Folder of a snapshot that was loaded, and so verified.
    """
    read = json.loads((snapshot / MANIFEST).read_bytes())["read"]
    rejected: Counter[str] = Counter()
    merged: Counter[str] = Counter()
    rows = pq.read_table(snapshot / QUARANTINE, columns=["table", "reason"])
    counts = rows.group_by(["table", "reason"]).aggregate([([], "count_all")]).to_pylist()
    for one in counts:
        if one["reason"] in MERGED:
            merged[one["table"]] += one["count_all"]
        elif one["reason"] not in _NOT_YET:
            rejected[one["table"]] += one["count_all"]
    return IngestCounts(read, rejected, merged)
