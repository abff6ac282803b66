"""Refuse an ingest with too many bad rows, and say why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.data.checking.scalars import Fault
from ml_sys.data.quarantine import UNCOVERED
from ml_sys.data.snapshot_writing import keep_quarantine
from ml_sys.data.usage import LATER, UNFINISHED
from ml_sys.errors import TooManyRejectedError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from ml_sys.data.ingesting.run import IngestRun
    from ml_sys.data.parts.sorted_rows import SortedFile

_CAUSE_LATER = (
    "if usage does reach that far, lower ingest.min_coverage; "
    "if not, give the day of the export with --as-of DATE, or check this machine's clock"
)
_CAUSE_DATES = (
    "if its dates are in another format, set dates under [schema.tables.{table}] to "
    "day-first, month-first, epoch_s or epoch_ms"
)
_DATE_FAULTS = (
    Fault.NOT_DATE,
    Fault.NOT_DAY_FIRST,
    Fault.NOT_MONTH_FIRST,
    Fault.NOT_EPOCH,
    Fault.OUT_OF_TIME,
)
_NO_DATES = tuple(one.reason for one in _DATE_FAULTS)


def refuse_bad(
    run: IngestRun,
    quarantine: pa.Table | SortedFile,
    max_share: float,
    artifacts_dir: Path,
    *,
    was_given: bool,
) -> None:
    """Raise if too many rows of a table are bad, and keep the quarantine.

    Parameters
    ----------
    was_given : bool
        Whether the user gave the day of the export; later rows are then expected.
    """
    for name, table in run.opened.items():
        rejected = dict(run.quarantine.rejected(name))
        for expected in (UNFINISHED, UNCOVERED, LATER) if was_given else (UNFINISHED,):
            rejected.pop(run.quarantine.said(expected), None)
        if sum(rejected.values()) > max_share * run.read[name]:
            kept = keep_quarantine(quarantine, artifacts_dir)
            raise TooManyRejectedError(
                table.where,
                sum(rejected.values()),
                run.read[name],
                max_share,
                kept,
                mostly=", ".join(f"{reason} ({n:,})" for reason, n in list(rejected.items())[:3]),
                cause=_cause(name, next(iter(rejected))),
            )


def _cause(table: str, reason: str) -> str:
    if reason == LATER:
        return _CAUSE_LATER
    return _CAUSE_DATES.format(table=table) if reason.endswith(_NO_DATES) else ""
