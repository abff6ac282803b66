"""Ingest of ten million usage rows, against DuckDB reading the same CSV into a table.

Run ``python -m tests.bench.ingest [--rows N]``. Each part runs in a process of its own, so that peaks of
memory do not mix; starting Python and importing is not counted.
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
import pyarrow.csv

from ml_sys.data.coverage import Coverage
from tests.data.tables import MEASURES

ROWS, ROWS_PER_COMPANY = 10_000_000, 20
SMALLEST = 2_000
CUSTOMERS_SHARE = 0.03
WEEKS, FIRST_MONDAY = 108, np.datetime64("2019-01-07")
WRITTEN_ROWS = 500_000
BUDGET, BUDGET_GB, BUDGET_GB_MANY, MANY = 2.0, 1.5, 4.0, 50_000_000


def write_tables(folder: Path, n_rows: int) -> None:
    """Write three clean tables; each company has a usage row a week for twenty weeks, all in no order."""
    rng = np.random.default_rng(0)
    n_companies = n_rows // ROWS_PER_COMPANY
    n_customers = max(1, int(n_companies * CUSTOMERS_SHARE))
    ids = np.arange(100_000, 100_000 + n_companies)
    ranks = rng.integers(1, 16_000_000, n_companies)
    texts = {"EMPLOYEE_RANGE": np.full(n_companies, "2 to 5"), "INDUSTRY": np.full(n_companies, "RETAIL")}
    firms = {"ALEXA_RANK": ranks, **texts, "id": ids}
    _write(folder / "noncustomers.csv", {name: column[n_customers:] for name, column in firms.items()})
    closed = (FIRST_MONDAY + rng.integers(0, 7 * WEEKS, n_customers)).astype(str)
    paid = {"CLOSEDATE": closed, "MRR": rng.integers(1, 900, n_customers)}
    _write(folder / "customers.csv", paid | {name: column[:n_customers] for name, column in firms.items()})

    row = rng.permutation(np.arange(n_companies * ROWS_PER_COMPANY, dtype=np.int32))
    first_week = rng.integers(0, WEEKS - ROWS_PER_COMPANY, n_companies)
    stamps = np.array([f"{FIRST_MONDAY + 7 * week} 00:00:00.000" for week in range(WEEKS)])
    usage: pyarrow.csv.CSVWriter | None = None
    for at in range(0, len(row), WRITTEN_ROWS):
        company, week = np.divmod(row[at : at + WRITTEN_ROWS], ROWS_PER_COMPANY)
        busy = rng.random(len(company)) > 0.4
        counts = {name.upper(): rng.poisson(rng.exponential(8, len(company))) * busy for name in MEASURES}
        table = pa.table({"WHEN_TIMESTAMP": stamps[first_week[company] + week], **counts, "id": ids[company]})
        options = pyarrow.csv.WriteOptions(include_header=True, quoting_style="none")
        usage = usage or pyarrow.csv.CSVWriter(
            folder / "usage_actions.csv", table.schema, write_options=options
        )
        usage.write_table(table)
    if usage:
        usage.close()


def _write(path: Path, columns: dict[str, np.ndarray]) -> None:
    pyarrow.csv.write_csv(pa.table(columns), path, pyarrow.csv.WriteOptions(quoting_style="none"))


def ours(folder: Path) -> float:
    """Ingest the three tables, and return the seconds it took."""
    from ml_sys.data.ingest import Origin, Rules, ingest
    from ml_sys.data.sources import open_source
    from ml_sys.settings import SchemaSettings

    began = time.perf_counter()
    report = ingest(
        Origin(
            open_source("file"),
            SchemaSettings(),
            {
                "customers": str(folder / "customers.csv"),
                "noncustomers": str(folder / "noncustomers.csv"),
                "usage": str(folder / "usage_actions.csv"),
            },
        ),
        Rules(max_rejected_share=0.0, coverage=Coverage(min_coverage=0.0)),
        folder / "artifacts",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    if report.tables["usage"].accepted != report.tables["usage"].read:
        raise SystemExit("rows of a clean table were rejected")
    return time.perf_counter() - began


def duckdb(folder: Path) -> float:
    """Read the usage rows into a table in memory, and return the seconds it took."""
    import duckdb

    began = time.perf_counter()
    duckdb.connect().execute(f"CREATE TABLE usage AS FROM read_csv('{folder / 'usage_actions.csv'}')")
    return time.perf_counter() - began


def main() -> None:
    """Print the time and peak memory of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument(
        "--smallest", action="store_const", dest="rows", const=SMALLEST, help="few rows, to see that it runs"
    )
    parser.add_argument("--part", choices=("write", "duckdb", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "write":
        write_tables(options.folder, options.rows)
    elif options.part:
        before = time.process_time()
        seconds = {"ours": ours, "duckdb": duckdb}[options.part](options.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps({"seconds": seconds, "processor": time.process_time() - before, "peak_gb": peak}))
    else:
        _compare(options.rows)


def _compare(n_rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run("write", folder, n_rows)
        size = (folder / "usage_actions.csv").stat().st_size / 1e6
        print(f"ingest {n_rows:,} usage rows ({size:,.0f} MB CSV)")
        found = {part: json.loads(_run(part, folder, n_rows)) for part in ("duckdb", "ours")}
    for part, figures in found.items():
        seconds, processor = figures["seconds"], figures["processor"]
        print(
            f"  {part:8} {seconds:7.2f} s   {processor:7.2f} s of processors   {figures['peak_gb']:5.2f} GB"
        )
    ratio = found["ours"]["seconds"] / found["duckdb"]["seconds"]
    peak = found["ours"]["peak_gb"]
    most = BUDGET_GB if n_rows < MANY else BUDGET_GB_MANY
    verdict = "within" if ratio <= BUDGET and peak <= most else "over"
    print(f"  ratio {ratio:.2f} of {BUDGET}, peak {peak:.2f} of {most} GB: {verdict} budget")


def _run(part: str, folder: Path, n_rows: int) -> str:
    """Run a part in a process of its own; the tables too, since a child's peak starts at its parent's."""
    command = [sys.executable, "-m", "tests.bench.ingest", "--part", part]
    command += ["--folder", str(folder), "--rows", str(n_rows)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
