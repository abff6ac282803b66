"""From a prospects file to a ranked list on disk: the edge around :mod:`ml_sys.scoring`."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.data import snapshot
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.errors import SnapshotError, UnreadableFileError
from ml_sys.registry.loading import load_scorer
from ml_sys.scoring.batch import ScoredList, score_companies, score_ready
from ml_sys.scoring.prospects import Ready, read_prospects, read_usage, usage_of
from ml_sys.scoring.ranking import spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from ml_sys.registry.store import Registry
    from ml_sys.settings import Settings


def score_file(
    registry: Registry,
    version: str,
    settings: Settings,
    prospects: Path,
    *,
    usage: Path | None,
    as_of: int | None,
    on_step: Callable[[str], None],
) -> ScoredList:
    """Score a file of prospects with a version.

    Parameters
    ----------
    registry : Registry
    version : str
    settings : Settings
    prospects : Path
    usage : Path, optional
        Usage rows; those of the latest snapshot where it is left out.
    as_of : int, optional
        Cutoff; by default the end of the usage.
    on_step : callable
        Called with the name of each step as it begins.

    Raises
    ------
    InputError
        If a file cannot be used.
    SnapshotError
        If usage is neither given nor in a snapshot.
    """
    on_step("loading the model")
    scorer = load_scorer(registry, version)
    on_step("reading prospects")
    read = read_prospects(prospects, settings.schema_, scorer.spec)
    known = _latest(settings.artifacts_dir)
    lag = scorer.spec.period_days if scorer.spec.stamp == "start" else 0
    if isinstance(read, Ready):
        end = int(known.usage_stamp.max()) + lag if known is not None and known.usage_stamp.size else 0
        return score_ready(scorer, read, version=version, cutoff=end if as_of is None else as_of)
    on_step("reading usage")
    ids = read.frame["id"].tolist()
    if usage is not None:
        rows, stamps = read_usage(usage, settings.schema_, ids), None
    elif known is not None:
        rows, stamps = usage_of(known, ids), known.usage_stamp
    else:
        raise SnapshotError(
            f"{settings.artifacts_dir}: there is no snapshot to take usage from",
            hint="run `mlsys ingest` first, or name a usage file: --usage FILE",
        )
    every = rows.stamp if stamps is None else stamps
    if as_of is None and not every.size:
        raise UnreadableFileError(
            usage or prospects, "no usage row to take a cutoff from", hint="name one: --as-of DATE"
        )
    customers = {} if known is None else _customers(known)
    on_step("scoring")
    return score_companies(
        scorer,
        read,
        rows,
        customers=customers,
        version=version,
        cutoff=int(every.max()) + lag if as_of is None else as_of,
        stale_days=settings.score.stale_days,
    )


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet or, for any other name, as CSV that is safe to open in a spreadsheet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
        return
    ids = spreadsheet_safe(table["id"])
    # Readers take a bare carriage return for the end of a line; the csv module alone would not quote it.
    broken = any("\r" in text for text in ids)
    table.assign(id=ids).to_csv(
        path, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL
    )


def keep_rejects(scored: ScoredList, artifacts_dir: Path) -> Path | None:
    """Write the rows that were not taken, and return where; None without any."""
    if not scored.quarantine.num_rows:
        return None
    return snapshot.keep_quarantine(scored.quarantine, artifacts_dir)


def _latest(artifacts_dir: Path) -> snapshot.Snapshot | None:
    return snapshot.latest(artifacts_dir) if snapshot.exists(artifacts_dir) else None


def _customers(known: snapshot.Snapshot) -> dict[str, int]:
    paid = np.flatnonzero(known.closed != NEVER_CLOSED)
    return dict(zip(known.companies["id"].iloc[paid], known.closed[paid].tolist(), strict=True))
