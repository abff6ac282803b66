"""Window sums of ten million usage rows, against a Polars group-by per cutoff.

Run ``python -m tests.bench.windows [--rows N]``. Each part runs in a process of its own on the same shuffled
rows, so that peaks of memory do not mix. Budgets hold for ten million rows; with fewer,
fixed costs weigh more and nothing is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, ROWS_PER_COMPANY = 10_000_000, 20
SMALLEST = 20_000
WEEKS, FIRST_MONDAY = 108, 17_903
WINDOWS_DAYS = (7, 14, 28, 56, 91)
CUTOFFS = (FIRST_MONDAY + 7 * np.arange(8, 8 + 4 * 26, 4)).astype(np.int32)
MEASURES = [
    f"{kind}_{name}" for kind in ("actions", "users") for name in ("contacts", "companies", "deals", "email")
]
COLUMNS = [f"{measure}_{days}" for days in WINDOWS_DAYS for measure in MEASURES]
CACHED_COMPANIES = 512  # whose sums fit into a core's cache
BUDGETS = {"memory": 0.15, "written": 0.3}
BUDGET_GB = 2.0


def usage_rows(n_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Make shuffled rows: each company has one a week for twenty weeks, two fifths of them all zero."""
    rng = np.random.default_rng(0)
    n_companies = n_rows // ROWS_PER_COMPANY
    row = rng.permutation(np.arange(n_companies * ROWS_PER_COMPANY, dtype=np.int32))
    company = row // ROWS_PER_COMPANY
    first_week = rng.integers(0, WEEKS - ROWS_PER_COMPANY, n_companies, dtype=np.int32)
    stamp = FIRST_MONDAY + 7 * (first_week[company] + row % ROWS_PER_COMPANY)
    values = rng.integers(0, 50, (row.size, len(MEASURES)), dtype=np.int32)
    values *= rng.random((row.size, 1), dtype=np.float32) > 0.4
    return company, stamp.astype(np.int32), values, n_companies


def ours(n_rows: int, folder: Path | None) -> dict[str, float]:
    """Time the kernel, from shuffled rows to sums in memory block by block, or to Parquet."""
    from ml_sys.features.windows import UsageLog, window_stats

    company, stamp, values, n_companies = usage_rows(n_rows)
    window_stats(
        _log(UsageLog, company[:1], stamp[:1], values[:1], 1 + company[0]), CUTOFFS, WINDOWS_DAYS
    )  # compiles

    began = time.perf_counter()
    log = _log(UsageLog, company, stamp, values, n_companies)
    phases = {"sort": time.perf_counter() - began}
    del company, stamp, values
    if folder is None:
        for block in log.blocks(CACHED_COMPANIES):
            window_stats(block, CUTOFFS, WINDOWS_DAYS, with_maxima=False)
    else:
        lanes = os.cpu_count() or 1
        with ThreadPoolExecutor(lanes) as pool:
            list(
                pool.map(
                    lambda lane: _write(islice(log.blocks(), lane, None, lanes), folder, lane), range(lanes)
                )
            )
    phases["total"] = time.perf_counter() - began
    phases["windows" if folder is None else "windows and writing"] = phases["total"] - phases["sort"]
    return phases


def _log(kind, company, stamp, values, n_companies):  # type: ignore[no-untyped-def]
    from ml_sys.days import WEEKLY

    return kind.from_rows(company, stamp, values, n_companies=n_companies, n_activity=4, period=WEEKLY)


def _write(blocks: Iterator, folder: Path, lane: int) -> None:  # type: ignore[type-arg]
    from ml_sys.features.windows import window_stats

    schema = pa.schema([pa.field(name, pa.float32(), nullable=False) for name in COLUMNS])
    with pq.ParquetWriter(
        folder / f"{lane}.parquet", schema, compression="lz4", use_dictionary=False
    ) as file:
        for block in blocks:
            columns = np.empty((len(COLUMNS), block.n_companies * CUTOFFS.size), dtype=np.float32)
            at = 0
            for part in block.blocks(CACHED_COMPANIES):
                sums = window_stats(part, CUTOFFS, WINDOWS_DAYS, with_maxima=False).sums.reshape(
                    -1, len(COLUMNS)
                )
                columns[:, at : at + len(sums)] = sums.T
                at += len(sums)
            file.write_table(pa.table(list(columns), schema=schema))


def polars(n_rows: int, folder: Path) -> dict[str, float]:
    """Time the group-by per cutoff, written to Parquet, in the fastest of the formulations that were tried.

    (``filter(…).sum()`` took twice as long as ``when(…).then(…).sum()``.)
    """
    import polars as pl

    company, stamp, values, n_companies = usage_rows(n_rows)
    began = time.perf_counter()
    measures = dict(zip(MEASURES, values.T, strict=True))
    frame = pl.LazyFrame({"company": company, "day": stamp + 7, **measures})
    companies = pl.LazyFrame({"company": np.arange(n_companies, dtype=np.int32)})
    for cutoff in CUTOFFS.tolist():
        sums = [
            pl.when(pl.col("day") > cutoff - days).then(pl.col(measure)).otherwise(0).sum()
            .cast(pl.Float32).alias(f"{measure}_{days}")
            for days in WINDOWS_DAYS
            for measure in MEASURES
        ]  # fmt: skip
        inside = frame.filter((pl.col("day") <= cutoff) & (pl.col("day") > cutoff - WINDOWS_DAYS[-1]))
        panel = companies.join(inside.group_by("company").agg(sums), on="company", how="left").fill_null(0)
        panel.collect().write_parquet(folder / f"{cutoff}.parquet")
    return {"total": time.perf_counter() - began}


def main() -> int:
    """Run every part, print seconds, memory and ratios; return 1 if a budget is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument(
        "--smallest", action="store_const", dest="rows", const=SMALLEST, help="few rows, to see that it runs"
    )
    parser.add_argument("--part", choices=("memory", "written", "polars"))
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(_measure(arguments.part, arguments.rows)))
        return 0
    results = {part: _in_a_process(part, arguments.rows) for part in ("polars", "memory", "written")}
    baseline = results["polars"]["total"]
    broken = False
    for part, result in results.items():
        budget = BUDGETS.get(part, 1.0)
        ratio = result["total"] / baseline
        broken |= ratio > budget or (part in BUDGETS and result["gigabytes"] > BUDGET_GB)
        text = ", ".join(f"{name} {value:.2f}" for name, value in result.items())
        print(f"{part:8} {ratio:5.3f}x of Polars (budget {budget}x): {text}")
    return int(broken and arguments.rows >= ROWS)


def _measure(part: str, n_rows: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = (
            polars(n_rows, folder)
            if part == "polars"
            else ours(n_rows, folder if part == "written" else None)
        )
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {**result, "gigabytes": kilobytes / 1e6}


def _in_a_process(part: str, n_rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.windows", "--part", part, "--rows", str(n_rows)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
