"""Raw events in a Parquet file, counted and ingested whole, against DuckDB's plain read of the same columns.

Run ``python -m tests.bench.events [--rows N]``, such as 10000000 and 100000000. The file is written to a
temporary folder, in chunks, and removed at the end. Each part runs in a process of its own, so that peaks of
memory do not mix.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, SMALLEST = 20_000_000, 2_000
EVENTS_PER_ENTITY, USERS, KINDS, WEEKS, ACTIVE_WEEKS = 200, 5, 20, 104, 20
NAMED = 12
CHUNK = 2_000_000
START = np.datetime64("2019-01-07", "us")
WEEK = 7 * 86_400_000_000
LIMIT_GB = 4.0
COLUMNS = ("id", "user", "at", "event", "minutes")


def write_events(path: Path, n_rows: int) -> None:
    """Write events of entities that are each active in twenty weeks, in no order."""
    rng = np.random.default_rng(0)
    n_entities = max(1, n_rows // EVENTS_PER_ENTITY)
    kinds = pa.array([f"kind {at:02d}" for at in range(KINDS)])
    writer: pq.ParquetWriter | None = None
    for at in range(0, n_rows, CHUNK):
        n = min(CHUNK, n_rows - at)
        entity = rng.integers(0, n_entities, n)
        week = (entity * 7919 + rng.integers(0, ACTIVE_WEEKS, n)) % WEEKS
        table = pa.table(
            {
                "id": pa.array(100_000 + entity).cast(pa.string()),
                "user": pa.array(entity * USERS + np.minimum(rng.geometric(0.5, n), USERS) - 1),
                "at": pa.array(START + week * WEEK + rng.integers(0, WEEK, n)),
                "event": kinds.take(np.minimum(rng.geometric(0.2, n), KINDS) - 1),
                "minutes": pa.array(rng.exponential(5, n).round(2)),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def ours(path: Path) -> str:
    """Read, check and count the events, once for their periods and once for their rows."""
    from ml_sys.data.events.counting import Counting, choose_kinds
    from ml_sys.data.events.log import EventLog
    from ml_sys.data.events.parquet import EventColumns, NamePairs, read_parquet
    from ml_sys.days import WEEKLY

    n_entities = max(1, pq.read_metadata(path).num_rows // EVENTS_PER_ENTITY)
    known = NamePairs(
        pa.array(100_000 + np.arange(n_entities)).cast(pa.string()), np.arange(n_entities, dtype=np.int32)
    )
    columns = EventColumns("at", (("minutes", 3),), "id", "user", "event")
    with EventLog(1, folder=path.parent) as log:
        n_read, bad = read_parquet(log, path, columns, known)
        if any(True for _ in bad):
            raise SystemExit("rows of a clean file were rejected")
        log.periods(WEEKLY)
        kinds = choose_kinds(log.kind_counts(17_500), NAMED)
        rows = log.rows(Counting(kinds, (3,), has_users=True, period=WEEKLY))
        if rows.values[:, : len(kinds) + 1].sum() != n_read:
            raise SystemExit("events were lost")
    return f"{len(rows.stamp):,} rows of {n_read:,} events"


def ingest(path: Path) -> str:
    """Ingest the events with their teams, of which some converted, into a snapshot."""
    from ml_sys.data.coverage import Coverage
    from ml_sys.data.ingest import Origin, Rules
    from ml_sys.data.ingest import ingest as ingested
    from ml_sys.data.sources import open_source
    from ml_sys.days import Period
    from ml_sys.settings import SchemaSettings

    n_entities = max(1, pq.read_metadata(path).num_rows // EVENTS_PER_ENTITY)
    days = np.full(n_entities, np.datetime64("NaT", "D"))
    some = np.arange(0, n_entities, 50)
    days[some] = START.astype("datetime64[D]") + (some * 31) % (7 * WEEKS)
    teams = path.with_name("teams.parquet")
    pq.write_table(pa.table({"id": pa.array(100_000 + np.arange(n_entities)), "paid": days}), teams)
    described = {
        "tables": {
            "teams": {"kind": "entities", "converted_on": "paid"},
            "events": {
                "kind": "events",
                "at": "at",
                "event": "event",
                "user": "user",
                "max_kinds": NAMED,
                "amounts": {"minutes": {"column": "minutes"}},
            },
        }
    }
    report = ingested(
        Origin(
            open_source("file"),
            SchemaSettings.model_validate(described),
            {"teams": str(teams), "events": str(path)},
        ),
        Rules(
            max_rejected_share=0.0, coverage=Coverage(Period("week"), min_coverage=0.0), as_of="2021-01-04"
        ),
        path.parent / "artifacts",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    read = report.tables["events"]
    if read.accepted != read.read:
        raise SystemExit(f"events of a clean file were rejected: {read.rejected}")
    return f"a snapshot of {read.accepted:,} events"


def duckdb(path: Path) -> str:
    """Read every value of the same columns; the largest alone would be told by the file's statistics."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    sums = 'sum(length("id")), sum("user"), sum(epoch_us("at")), sum(length("event")), sum("minutes")'
    return str(connection.execute(f"FROM read_parquet('{path}') SELECT {sums}").fetchall()[0][0])


def duckdb_counts(path: Path) -> str:
    """Count the same with one query of DuckDB, without checking anything, nor looking entities up."""
    import duckdb

    limits = {"threads": 2, "memory_limit": "1500MB", "temp_directory": str(path.parent)}
    connection = duckdb.connect(config={**limits, "preserve_insertion_order": False})
    kinds = [f"kind {at:02d}" for at in range(NAMED)]
    counts = [f"count(*) FILTER (event = '{kind}')" for kind in kinds]
    counts.append(f"count(*) FILTER (event NOT IN {tuple(kinds)})")
    week, sums = "date_trunc('week', \"at\") AS week", "sum((minutes * 1000)::BIGINT)"
    chosen = ", ".join(["id", week, *counts, sums, 'count(DISTINCT "user")'])
    connection.execute(
        f"CREATE TEMP TABLE counted AS FROM read_parquet('{path}') SELECT {chosen} GROUP BY ALL ORDER BY ALL"
    ).complete()
    found = connection.execute("FROM counted SELECT count(*)").fetchall()
    return f"{found[0][0]:,} rows"


def duckdb_table(path: Path) -> str:
    """Read the same columns into a table of a database file."""
    import duckdb

    connection = duckdb.connect(str(path.parent / "plain.duckdb"), config={"threads": 2})
    named = ", ".join(f'"{name}"' for name in COLUMNS)
    connection.execute(f"CREATE TABLE plain AS FROM read_parquet('{path}') SELECT {named}").complete()
    return "a table"


def polars(path: Path) -> str:
    """Count the same with Polars' streaming engine: by entity and week, in one pass."""
    import polars as pl

    kinds = [f"kind {at:02d}" for at in range(NAMED)]
    counted = (
        pl.scan_parquet(path)
        .with_columns(
            week=pl.col("at").dt.truncate("1w"), whole=(pl.col("minutes") * 1000).round().cast(pl.Int64)
        )
        .group_by("id", "week")
        .agg(
            *((pl.col("event") == kind).sum().alias(kind) for kind in kinds),
            (~pl.col("event").is_in(kinds)).sum().alias("other"),
            pl.col("whole").sum(),
            pl.col("user").n_unique(),
        )
        .sort("id", "week")
        .collect(engine="streaming")
    )
    return f"{len(counted):,} rows"


PARTS = {
    "ours": ours,
    "ingest": ingest,
    "duckdb": duckdb,
    "duckdb_table": duckdb_table,
    "duckdb_counts": duckdb_counts,
    "polars": polars,
}


def main() -> None:
    """Print the time, rows a second and peak memory of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument(
        "--smallest", action="store_const", dest="rows", const=SMALLEST, help="few rows, to see that it runs"
    )
    parser.add_argument(
        "--parts", nargs="+", default=["duckdb", "duckdb_table", "ours", "ingest"], choices=PARTS
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        began, used = time.perf_counter(), time.process_time()
        said = PARTS[options.part](options.file)
        seconds = {"wall": time.perf_counter() - began, "cpu": time.process_time() - used}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps({"seconds": seconds, "peak_gb": peak, "said": said}))
        return
    _compare(options.rows, options.parts)


def _compare(n_rows: int, parts: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as folder:
        path = Path(folder) / "events.parquet"
        write_events(path, n_rows)
        print(f"{n_rows:,} events, {path.stat().st_size / 1e9:.2f} GB of Parquet")
        for part in parts:
            command = [sys.executable, "-m", "tests.bench.events", "--part", part, "--file", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{part}: {done.stderr}")
            found = json.loads(done.stdout)
            wall, cpu, peak = found["seconds"]["wall"], found["seconds"]["cpu"], found["peak_gb"]
            print(
                f"{part:14} {wall:7.1f} s, {n_rows / wall / 1e6:6.2f} M rows/s ({cpu:6.1f} s of processors), "
                f"peak {peak:.2f} GB: {found['said']}"
            )
            if part in {"ours", "ingest"} and peak > LIMIT_GB:
                raise SystemExit(f"more than {LIMIT_GB} GB")


if __name__ == "__main__":
    main()
