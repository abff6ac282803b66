"""Rows that an ingest read, rejected and merged, by table, from a snapshot on disk."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from ml_sys.data.quarantine import MERGED, UNCOVERED, in_words
from ml_sys.data.snapshot import MANIFEST, QUARANTINE
from ml_sys.data.usage import LATER, UNFINISHED
from ml_sys.form import form_from_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Rows that are not bad, but dated on days that the export does not cover.
_NOT_YET = frozenset({UNFINISHED, UNCOVERED, LATER})


@dataclass(frozen=True)
class IngestCounts:
    """Rows by table: read, rejected as bad, and merged into others."""

    read: Mapping[str, int]
    rejected: Mapping[str, int]
    merged: Mapping[str, int]


def ingest_counts(snapshot: Path) -> IngestCounts:
    """Count the rows that were read, rejected and merged.

    Parameters
    ----------
    snapshot : Path
        Folder of a snapshot that was loaded and so verified.
    """
    manifest = json.loads((snapshot / MANIFEST).read_bytes())
    read, words = manifest["read"], form_from_plain(manifest["form"]).words
    merges, not_yet = ({in_words(one, words) for one in those} for those in (MERGED, _NOT_YET))
    rejected: Counter[str] = Counter()
    merged: Counter[str] = Counter()
    rows = pq.read_table(snapshot / QUARANTINE, columns=["table", "reason"])
    counts = rows.group_by(["table", "reason"]).aggregate([([], "count_all")]).to_pylist()
    for one in counts:
        if one["reason"] in merges:
            merged[one["table"]] += one["count_all"]
        elif one["reason"] not in not_yet:
            rejected[one["table"]] += one["count_all"]
    return IngestCounts(read, rejected, merged)
