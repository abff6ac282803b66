"""Growth: seconds, memory and disk of ingest, train, score and weekly, at sizes that grow tenfold.

Tables are generated: a usage row a week for every company, the weeks below each other as an export that is
added to has them, three in a hundred companies paying. Each command is a process of its own, as a user would
start it; memory is that of the process and of those that it starts. The last lines say by which power of the
number of companies each figure grows, from a line through the logarithms: 1.00 is cost in proportion, 0.00
none at all. At one more size, that of ``--keys``, there are a few weeks of usage only, so that what is kept
of each company is what counts: it is ingested, and scored by the version that the size before it trained.

Run ``python -m tests.bench.scale [--companies N ...] [--keys N] [--weeks N] [--steps NAME ...]``. The default
sizes take about an hour and 12 GB of disk; ``--companies 10000 100000 --keys 0`` takes ten minutes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ml_sys.data.snapshot import FOLDER as SNAPSHOTS
from ml_sys.registry.store import MODELS
from tests.bench.training import TABLES, Cost, measured
from tests.data.tables import MEASURES

COMPANIES, WEEKS = (100_000, 1_000_000), 104
KEYS, KEY_WEEKS, KEY_STEPS = 10_000_000, 3, ("ingest", "score")
SMALLEST_COMPANIES, SMALLEST_WEEKS, SMALLEST_KEYS = (400, 800), 40, 1_000
FIRST_MONDAY = np.datetime64("2019-01-07")
CUSTOMERS_SHARE, RISING_WEEKS, TIMES_AS_MUCH = 0.03, 6, 3
ALARM = 4  # `weekly` says by it that an alarm rings, as it may on generated tables
STEPS = ("ingest", "train", "score", "weekly")
# So that a version is there to score by in seconds: what is measured is the rows, not the trees.
_SMALLEST = ("--set", "model.trees=2", "--set", "panel.step_days=28")


@dataclass(frozen=True)
class Figures:
    """What a step took at one size: its cost, and the bytes that it added to the folder of artifacts."""

    companies: int
    usage_rows: int
    cost: Cost
    added: int


def main() -> None:
    """Print a line a step and size, and by which power each figure grows."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.scale", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--companies", type=int, nargs="+", default=COMPANIES, help="sizes, ascending")
    parser.add_argument(
        "--keys",
        type=int,
        default=KEYS,
        help=f"a size of {KEY_WEEKS} weeks that is only ingested and scored; 0: none",
    )
    parser.add_argument("--weeks", type=int, default=WEEKS, help="length of the usage log")
    parser.add_argument(
        "--steps",
        nargs="+",
        default=STEPS,
        choices=STEPS,
        help="those measured; those before them run as well",
    )
    parser.add_argument("--smallest", action="store_true", help="few rows, to see that it runs")
    asked = parser.parse_args()
    sizes, weeks, keys = asked.companies, asked.weeks, asked.keys
    if asked.smallest:
        sizes, weeks, keys = SMALLEST_COMPANIES, SMALLEST_WEEKS, SMALLEST_KEYS
    changed = _SMALLEST if asked.smallest else ()
    found: dict[str, list[Figures]] = {step: [] for step in STEPS}
    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as name:
        trained = Path(name) / "trained"
        for companies in sizes:
            with tempfile.TemporaryDirectory(dir=name) as tables:
                for step, figures in _measured(Path(tables), companies, weeks, asked.steps, changed):
                    found[step].append(figures)
                shutil.rmtree(trained, ignore_errors=True)
                shutil.copytree(Path(tables) / "artifacts", trained, ignore=shutil.ignore_patterns(SNAPSHOTS))
        for step, figures in found.items():
            if len(figures) > 1:
                print(f"{step:<8}{_growth(figures)}", flush=True)
        steps = tuple(step for step in KEY_STEPS if step in asked.steps)
        if keys and steps and trained.joinpath(MODELS).is_dir():
            folder = Path(name) / "keys"
            shutil.copytree(trained, folder / "artifacts")
            for _ in _measured(folder, keys, KEY_WEEKS, steps, changed):
                pass


def _measured(
    folder: Path, companies: int, weeks: int, steps: tuple[str, ...], changed: tuple[str, ...]
) -> Iterator[tuple[str, Figures]]:
    """Write tables, and yield and print what each step takes."""
    rows = write_tables(folder, companies, weeks)
    for step, cost, added in stepped(folder, steps, changed):
        figures = Figures(companies, rows, cost, added)
        print(_line(step, figures), flush=True)
        yield step, figures


def write_tables(folder: Path, companies: int, weeks: int, seed: int = 0) -> int:
    """Write the three tables, and return how many usage rows there are."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.arange(10**8, 10**8 + companies))
    n_customers = max(4, int(companies * CUSTOMERS_SHARE))
    closing_week = np.full(companies, weeks + RISING_WEEKS + 1)
    closing_week[:n_customers] = rng.integers(2, weeks, n_customers)
    size = rng.integers(0, 5, companies)
    firms = {
        "ALEXA_RANK": rng.integers(1, 16_000_000, companies),
        "EMPLOYEE_RANGE": np.array(["1", "2 to 5", "6 to 10", "11 to 25", "26 to 50"])[size],
        "INDUSTRY": np.array(["RETAIL", "EDUCATION", "", "COMPUTER_SOFTWARE"])[rng.integers(0, 4, companies)],
        "id": ids,
    }
    free = {name: column[n_customers:] for name, column in firms.items()}
    _write(folder / TABLES["noncustomers"], free)
    closed = FIRST_MONDAY + 7 * closing_week[:n_customers] + rng.integers(0, 7, n_customers)
    paid = {"CLOSEDATE": closed.astype(str), "MRR": rng.integers(1, 900, n_customers)}
    _write(folder / TABLES["customers"], paid | {name: one[:n_customers] for name, one in firms.items()})
    written = 0
    with (folder / TABLES["usage"]).open("wb") as file:
        for week in range(weeks):
            table = _week(rng, ids, closing_week, week)
            header = pyarrow.csv.WriteOptions(include_header=not week, quoting_style="none")
            pyarrow.csv.write_csv(table, file, header)
            written += table.num_rows
    return written


def _week(rng: np.random.Generator, ids: np.ndarray, closing_week: np.ndarray, week: int) -> pa.Table:
    """Return a row for each company: a random number of actions, more of them before it pays."""
    rises = (closing_week >= week) & (closing_week < week + RISING_WEEKS)
    often = np.where(
        rng.random(ids.size) < np.where(rises, 0.9, 0.5), 3.0 * np.where(rises, TIMES_AS_MUCH, 1), 0
    )
    counts = {name.upper(): rng.poisson(often) for name in MEASURES}
    stamp = np.full(ids.size, f"{FIRST_MONDAY + 7 * week} 00:00:00.000")
    return pa.table({"WHEN_TIMESTAMP": stamp, **counts, "id": ids})


def _write(path: Path, columns: dict[str, np.ndarray]) -> None:
    pyarrow.csv.write_csv(pa.table(columns), path, pyarrow.csv.WriteOptions(quoting_style="none"))


def stepped(
    folder: Path, steps: tuple[str, ...], changed: tuple[str, ...]
) -> Iterator[tuple[str, Cost, int]]:
    """Run the steps after each other, and yield those asked for with what they took and left on disk.

    Where there is a version already, none is trained.
    """
    artifacts = folder / "artifacts"
    needed = STEPS[: 1 + max(STEPS.index(one) for one in steps)]
    if (artifacts / MODELS).is_dir():
        needed = tuple(step for step in needed if step != "train")
    tables = [word for role, file in TABLES.items() for word in (f"--{role}", str(folder / file))]
    words = {
        "ingest": ("ingest", *tables),
        "train": ("train", "--quick", *changed),
        "score": ("score", "--out", str(folder / "list.csv")),
        "weekly": ("weekly", *tables, "--out", str(folder / "calls.csv")),
    }
    for step in needed:
        before = _bytes(artifacts)
        cost = measured(artifacts, *words[step], may_end_with=(0, ALARM))
        if step in steps:
            yield step, cost, _bytes(artifacts) - before
        if step == "train":
            _mlsys(artifacts, "promote", "1.0.0", "--force", "--reason", "to be scored by")


def _mlsys(artifacts: Path, *words: str) -> None:
    command = [sys.executable, "-m", "ml_sys", "--artifacts", str(artifacts), *words]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _line(step: str, found: Figures) -> str:
    return (
        f"{step:<8}{found.companies:>11,} companies, {found.usage_rows:>13,} usage rows: "
        f"{found.cost.seconds:8.1f} s, {found.cost.processor:8.1f} s of processor, "
        f"{found.cost.peak_gb:6.2f} GB, {found.added / 1e6:9.1f} MB on disk"
    )


def _growth(figures: list[Figures]) -> str:
    companies = np.log([one.companies for one in figures])
    told = []
    for name, values in (
        ("processor", [one.cost.processor for one in figures]),
        ("memory", [one.cost.peak_gb for one in figures]),
        ("disk", [one.added for one in figures]),
    ):
        if min(values) > 0:
            told.append(f"{name} grows by the power {np.polyfit(companies, np.log(values), 1)[0]:.2f}")
    return ", ".join(told)


if __name__ == "__main__":
    main()
