"""Scoring: seconds and memory of `mlsys score` on a million prospects, against pandas and the Pipeline.

Run ``python -m tests.bench.scoring [--prospects N ...] [--artifacts FOLDER]``. Some thousands of prospects
have usage in the snapshot. Each command is a process of its own, as a user would start it. The baseline has
its feature columns ready in memory, predicts, sorts and writes; its start is not counted.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from tests.bench.serving import make_version
from tests.bench.training import measured

PROSPECTS, SMALLEST = 1_000_000, 3_000
BUDGETS = {1_000_000: (4.0, 0.6), 10_000_000: (40.0, 1.5)}
WRITTEN_ROWS = 1_000_000


def write_prospects(path: Path, artifacts: Path, n_prospects: int) -> None:
    """Write prospects like the companies of the snapshot, which are the first of them."""
    from ml_sys.data import snapshot

    known, rng = snapshot.latest(artifacts).companies, np.random.default_rng(0)
    ids = pa.array(known["id"], pa.string())
    attributes = {name: pa.array(known[name], pa.string()) for name in ("employee_range", "industry")}
    writer: pyarrow.csv.CSVWriter | None = None
    for start in range(0, n_prospects, WRITTEN_ROWS):
        n = min(WRITTEN_ROWS, n_prospects - start)
        new = pa.array(np.arange(start, start + n) + 10**8).cast(pa.string())
        at = rng.integers(0, len(ids), n)
        table = pa.table(
            {
                "id": new if start else pa.concat_arrays([ids[:n], new[len(ids) :]]),
                "ALEXA_RANK": rng.integers(1, 16_000_000, n),
                **{name.upper(): column.take(at).fill_null("") for name, column in attributes.items()},
            }
        )
        options = pyarrow.csv.WriteOptions(quoting_header="none")
        writer = writer or pyarrow.csv.CSVWriter(path, table.schema, write_options=options)
        writer.write_table(table)
    if writer:
        writer.close()


def baseline(artifacts: Path, n_prospects: int) -> dict[str, float]:
    """Predict with the Pipeline on ready columns, sort with pandas and write; return what it took."""
    from ml_sys.data import snapshot
    from ml_sys.features.compute import feature_columns
    from ml_sys.features.inputs import FeatureInputs
    from ml_sys.registry.loading import load_version
    from ml_sys.registry.store import Registry
    from ml_sys.scoring.pipeline_scorer import PipelineScorer

    registry, known = Registry(artifacts), snapshot.latest(artifacts)
    scorer = PipelineScorer(load_version(registry, registry.resolve(None)))
    inputs = FeatureInputs.from_snapshot(known, scorer.spec)
    columns = feature_columns(inputs, np.array([known.as_of], dtype=np.int32), scorer.spec)
    columns = {name: np.resize(column, n_prospects) for name, column in columns.items()}
    began = time.perf_counter()
    probability = scorer.probabilities(scorer.rows(columns))
    table = pd.DataFrame({"id": np.arange(n_prospects), "probability": probability})
    with tempfile.TemporaryFile() as file:
        table.sort_values("probability", ascending=False).to_csv(file, index=False)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def main() -> None:
    """Print what each number of prospects takes, and what a million take the usual way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifacts", type=Path, help="a folder with a version; else one is made")
    parser.add_argument("--prospects", type=int, nargs="+", default=[PROSPECTS])
    parser.add_argument("--smallest", action="store_true", help="few prospects, to see that it runs")
    parser.add_argument("--part", choices=["baseline"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(baseline(options.artifacts, options.prospects[0])))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        artifacts = options.artifacts.resolve() if options.artifacts else make_version(folder)
        for n_prospects in [SMALLEST] if options.smallest else options.prospects:
            write_prospects(folder / "prospects.csv", artifacts, n_prospects)
            out = folder / "list.csv"
            cost = measured(artifacts, "score", str(folder / "prospects.csv"), "--out", str(out))
            seconds, gigabytes = BUDGETS.get(n_prospects, (np.inf, np.inf))
            print(
                f"score, {n_prospects:,} prospects: {cost.seconds:.1f} s (budget {seconds:g}), "
                f"{cost.processor:.1f} s of the processor, {cost.peak_gb:.2f} GB (budget {gigabytes:g}), "
                f"{out.stat().st_size / 1e6:,.0f} MB written",
                flush=True,
            )
        n_rows = SMALLEST if options.smallest else PROSPECTS
        words = ["--part", "baseline", "--artifacts", str(artifacts), "--prospects", str(n_rows)]
        command = [sys.executable, "-m", "tests.bench.scoring", *words]
        usual = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"Pipeline and pandas, {n_rows:,} rows: {usual['seconds']:.1f} s, {usual['peak_gb']:.2f} GB")


if __name__ == "__main__":
    main()
