"""Serving: ``mlsys serve`` against an endpoint that returns a constant, and against the usual way.

Run ``python -m tests.bench.serving [--artifacts FOLDER] [--part NAME]``. All servers are measured in turns,
so that what else the machine does meets each alike. The client shares the cores with the servers: with more
workers than cores left by it, ratios still hold and absolute figures do not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.servers import FLOOR, NAIVE, OURS, running
from tests.bench.throughput import CLIENT, Speed, measure

if TYPE_CHECKING:
    import pandas as pd

    from ml_sys.model.files.artifact import Artifact

COMPANIES = 200
WARM_UP_SECONDS = 1
MIN_THROUGHPUT, MAX_P99 = 0.85, 1.5  # against the floor; the latter with the most connections
MAX_START_SECONDS = 1.5
MAX_SCORER_MICROSECONDS = 11.0
# About 200 trees of depth 5, and no time spent on intervals that nobody reads.
TRAINING = (
    "model.max_trees=200", "model.early_stopping_rounds=200", "model.params.max_depth=5",
    "model.params.learning_rate=0.02", "bootstrap.resamples=50",
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How often and for how long everything is measured."""

    connections: tuple[int, ...] = (1, 32)
    workers: tuple[int, ...] = (1, 2)
    rounds: int = 3
    seconds: int = 3
    settle_seconds: int = 3
    starts: int = 5
    scorer_rounds: int = 21


SMALLEST = Size((2,), (1,), rounds=1, seconds=1, settle_seconds=0, starts=1, scorer_rounds=1)


def make_version(folder: Path) -> Path:
    """Train a version on generated tables and put it into production; return the artifacts folder."""
    artifacts = folder / "artifacts"
    options = [option for setting in TRAINING for option in ("--set", setting)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLSYS_")}
    for arguments in (
        ["sample", ".", "--companies", "3000", "--weeks", "70", "--seed", "11"],
        ["ingest"],
        ["train", *options],
        ["promote", "1.0.0", "--force", "--reason", "to be measured"],
    ):
        command = [sys.executable, "-m", "ml_sys", *arguments, "--artifacts", str(artifacts)]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"mlsys {arguments[0]} failed:\n{done.stderr}")
    return artifacts


def holdout_features(artifacts: Path) -> pd.DataFrame:
    """Return the features of companies from all over the holdout."""
    from ml_sys.model.files.serialization import read_holdout

    features = read_holdout(_artifact(artifacts))[0].features
    return features.iloc[:: max(1, len(features) // COMPANIES)].head(COMPANIES)


def plain_rows(features: pd.DataFrame) -> list[dict[str, Any]]:
    """Return flat features as a caller would send them, blanks as None."""
    rows = features.astype(object).to_dict("records")
    return [{str(name): None if value != value else value for name, value in row.items()} for row in rows]


def serving(artifacts: Path, size: Size) -> None:
    """Print what each server did, and ratios to the floor."""
    bodies, most = plain_rows(holdout_features(artifacts)), max(size.connections)
    often = f"{size.rounds} rounds of {size.seconds} s"
    print(f"/predict with {len(bodies)} companies, by {CLIENT}; medians of {often}")
    heads = f"{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'of floor':>10}{'p99':>7}"
    print(f"{'workers':>7} {'conns':>5}  {'server':<6}{heads}", flush=True)
    for workers in size.workers:
        with ExitStack() as stack:
            urls = {
                kind: stack.enter_context(running(kind, artifacts, workers))[0]
                for kind in (FLOOR, OURS, NAIVE)
            }
            time.sleep(size.settle_seconds)  # the other workers, and what is loaded in the background
            for connections, speeds in _rounds(urls, bodies, size).items():
                _show(workers, connections, speeds, most)
    print(
        f"budget: ours at least {MIN_THROUGHPUT} of the floor; p99 at {most} connections at most {MAX_P99}x"
    )


def _rounds(urls: dict[str, str], bodies: list[dict[str, Any]], size: Size) -> dict[int, dict[str, Speed]]:
    for url in urls.values():
        measure(url, "/predict", bodies, connections=max(size.connections), seconds=WARM_UP_SECONDS)
    found: dict[tuple[int, str], list[Speed]] = {}
    for _ in range(size.rounds):
        for connections in size.connections:
            for kind, url in urls.items():
                speed = measure(url, "/predict", bodies, connections=connections, seconds=size.seconds)
                found.setdefault((connections, kind), []).append(speed)
    return {
        connections: {kind: _median(found[connections, kind]) for kind in urls}
        for connections in size.connections
    }


def _median(speeds: list[Speed]) -> Speed:
    return Speed(*(median(values) for values in zip(*map(_figures, speeds), strict=True)))


def _figures(speed: Speed) -> tuple[float, float, float]:
    return speed.per_second, speed.p50_ms, speed.p99_ms


def _show(workers: int, connections: int, speeds: dict[str, Speed], most: int) -> None:
    floor = speeds[FLOOR]
    for kind, speed in speeds.items():
        share, tail = speed.per_second / floor.per_second, speed.p99_ms / floor.p99_ms
        held = share >= MIN_THROUGHPUT and (connections < most or tail <= MAX_P99)
        verdict = ("within" if held else "over") + " budget" if kind == OURS else ""
        print(
            f"{workers:>7} {connections:>5}  {kind:<6}{speed.per_second:>9,.0f}{speed.p50_ms:>9.2f}"
            f"{speed.p99_ms:>9.2f}{share:>10.3f}{tail:>6.2f}x  {verdict}",
            flush=True,
        )


def startup(artifacts: Path, size: Size) -> None:
    """Print how long it takes from the start of a process until it is ready."""
    pages = {OURS: "/ready", FLOOR: "/health"}
    seconds: dict[str, list[float]] = {kind: [] for kind in pages}
    for _ in range(size.starts):
        for kind, page in pages.items():
            with running(kind, artifacts, ready=page) as (_, took):
                seconds[kind].append(took)
    ours, floor = median(seconds[OURS]), median(seconds[FLOOR])
    verdict = "within" if ours <= MAX_START_SECONDS else "over"
    print(
        f"start to ready, median of {size.starts}: {ours:.2f} s of {MAX_START_SECONDS} s: {verdict} budget "
        f"(floor {floor:.2f} s)",
        flush=True,
    )


def scorer(artifacts: Path, size: Size) -> None:
    """Print how long one prediction takes in process, from a dictionary, and the trees alone from a row."""
    from ml_sys import kernel
    from ml_sys.model.files.serialization import load_model
    from ml_sys.scoring.loading import open_scorer

    artifact, features = _artifact(artifacts), holdout_features(artifacts)
    pipeline = load_model(artifact).pipeline
    booster, rows = pipeline["model"].get_booster(), pipeline["encode"].transform(features)
    booster.set_param({"nthread": 1})
    compiled, companies = open_scorer(artifact), plain_rows(features)
    kernel.load()
    values = itemgetter(*compiled.spec.names())

    def ours() -> None:
        for company in companies:
            compiled.probability(compiled.row(values(company)))

    def alone() -> None:
        for at in range(len(rows)):
            booster.inplace_predict(rows[at : at + 1])

    microseconds = {ours: [], alone: []}
    for _ in range(size.scorer_rounds):
        for one, taken in microseconds.items():
            began = time.perf_counter()
            one()
            taken.append(1e6 * (time.perf_counter() - began) / len(companies))
    mine, theirs = median(microseconds[ours]), median(microseconds[alone])
    verdict = "within" if mine <= MAX_SCORER_MICROSECONDS else "over"
    print(
        f"one prediction in process: {mine:.1f} µs of {MAX_SCORER_MICROSECONDS:.0f} µs: {verdict} budget",
        end="",
    )
    print(f" (inplace_predict {theirs:.0f} µs, ratio {mine / theirs:.3f})", flush=True)


def _artifact(artifacts: Path) -> Artifact:
    from ml_sys.registry.store import Registry

    registry = Registry(artifacts)
    return registry.open(registry.resolve(None))


PARTS = {"scorer": scorer, "startup": startup, "serving": serving}


def main() -> None:
    """Print every part, or the one that is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--artifacts", type=Path, help="a folder with a version in production; else one is made"
    )
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--smallest", action="store_true", help="briefly, to see that it runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        artifacts = options.artifacts.resolve() if options.artifacts else make_version(Path(folder))
        for name in options.part or PARTS:
            PARTS[name](artifacts, SMALLEST if options.smallest else Size())


if __name__ == "__main__":
    main()
