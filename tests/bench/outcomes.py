"""What `impact` and `monitor` cost on 500 lists of 20,000 companies and 10 million predictions served.

Run ``python -m tests.bench outcomes``, or ``python -m tests.bench.outcomes --postgresql``. A sample is
ingested twice, the second time with a year more than the version has learnt from; lists and predictions are
put into the store below its interface, which would take longer than what is measured. The service is asked
about each company once a week.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import Snapshot, latest
from ml_sys.data.sources import open_source
from ml_sys.jobs.models.train import train_version
from ml_sys.jobs.outcomes.impact import ImpactRequest, impact_of_lists
from ml_sys.jobs.outcomes.monitor import monitor
from ml_sys.outcomes import store
from ml_sys.outcomes.lists import HandedOutList
from ml_sys.outcomes.lottery import Design, in_lottery, inclusion_probabilities, pivotal
from ml_sys.outcomes.served import VOLUME
from ml_sys.registry.store import Registry
from ml_sys.sample.generator import generate
from ml_sys.settings import SchemaSettings, Settings, StoreSettings
from ml_sys.text import date_of
from tests import made
from tests.outcomes import postgresql

BUDGET_SECONDS, BUDGET_GB = 20.0, 1.0
LISTS, COMPANIES = 500, 20_000
SMALLEST = (6, 1000)
HORIZON_DAYS, CAPACITY, LATER = 30, 50, 52
NOW = datetime(2030, 1, 1, tzinfo=UTC)
_ROW = (
    'list, entity_id, rank, probability, tier, selected, inclusion_probability, "group", waits_until, reasons'
)
_LOGGED = "at, version, company, features, probability"
_REASONS = json.dumps([{"feature": "actions", "points": 0.3, "text": "120 actions in the last 7 days"}] * 3)


def main() -> None:
    """Print seconds, processor seconds and peak memory of both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--postgresql", action="store_true", help="keep the lists there")
    parser.add_argument("--smallest", action="store_true", help="few lists, to see that it runs")
    parser.add_argument("--keep", type=Path, help="folder to build in, or to take what was built there")
    parser.add_argument("--part", choices=("build", "impact", "monitor"), help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    lists, companies = SMALLEST if options.smallest else (LISTS, COMPANIES)
    if options.part == "build":
        build(options.keep, options.url, lists, companies)
        return
    if options.part:
        print(json.dumps(measured(options.part, options.keep, options.url)))
        return
    with ExitStack() as stack:
        scratch = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = ""
        if options.postgresql:
            programs = postgresql.binaries()
            if programs is None:
                raise SystemExit("there is no PostgreSQL here: apt install postgresql")
            url = postgresql.new_database(stack.enter_context(postgresql.running(programs)))
        size = ["--smallest"] if options.smallest else []
        if url or not (scratch / "artifacts" / store.FILE).exists():
            _run("build", scratch, url, *size)
        size_of = f"{lists} lists of {companies:,} companies, {lists * companies:,} predictions served"
        print(f"{size_of}{' on PostgreSQL' if url else ''}")
        for part in ("impact", "monitor"):
            found = json.loads(_run(part, scratch, url))
            within = found["cpu"] <= BUDGET_SECONDS and found["peak_gb"] <= BUDGET_GB
            print(
                f"  {part:8}{found['seconds']:7.1f} s, {found['cpu']:.1f} s of the processor, "
                f"{found['peak_gb']:.2f} GB, {found['read']:,} lists and {found['served']:,} predictions: "
                f"{'within' if within else 'over'} budget ({BUDGET_SECONDS:g} s, {BUDGET_GB:g} GB)"
            )


def _run(part: str, folder: Path, url: str, *more: str) -> str:
    """Run a part in a process of its own, as the peak of a child starts at that of its parent."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.outcomes",
        "--part",
        part,
        "--keep",
        str(folder),
        "--url",
        url,
    ]
    return subprocess.run([*command, *more], check=True, stdout=subprocess.PIPE, text=True).stdout


def measured(part: str, folder: Path, url: str) -> dict[str, float]:
    """Run a command's job, and return what it cost."""
    settings = _settings(folder, url)
    wall, cpu = time.perf_counter(), time.process_time()
    if part == "impact":
        brought = impact_of_lists(settings, ImpactRequest(page=folder / "impact.html")).impact
        read, served = len(brought.lists), sum(one.rows for one in brought.served)
    else:
        found = monitor(Registry(settings.artifacts_dir), settings, day=latest(settings.artifacts_dir).as_of)
        read = len(found.handed_out)
        served = int(sum(one.now for one in found.checks if one.name == VOLUME))
    return {
        "seconds": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "read": read,
        "served": served,
    }


def build(folder: Path, url: str, lists: int, companies: int) -> None:
    """Make a version, a snapshot that goes on for a year, and a list for each of the last weeks."""
    settings = _settings(folder, url)
    if not settings.artifacts_dir.exists():
        generate(folder / "tables", companies=companies * 11 // 10, weeks=lists + 30, seed=3)
        whole = _ingested(folder, settings.artifacts_dir, None)
        _ingested(folder, settings.artifacts_dir, whole.as_of - 7 * min(LATER, lists))
        train_version(Registry(settings.artifacts_dir), latest(settings.artifacts_dir), settings, now=NOW)
        _ingested(folder, settings.artifacts_dir, None)
    known = latest(settings.artifacts_dir)
    with store.opened_store(settings) as opened:
        opened.take_over((one, ()) for one in _lists(known, lists, companies))
    rows = (row for number in range(lists) for row in _rows(known, number, companies))
    served = (row for number in range(lists) for row in _served(known, number, lists, companies))
    put = _copy if url else _insert
    put(
        url or str(settings.artifacts_dir / store.FILE),
        {"entries": (_ROW, rows), "predictions": (_LOGGED, served)},
    )


def _settings(folder: Path, url: str) -> Settings:
    chosen = made.cheaper(made.quick_settings(folder / "artifacts"))
    return chosen.model_copy(update={"store": StoreSettings(url=url)})


def _ingested(folder: Path, artifacts: Path, as_of: int | None) -> Snapshot:
    names = {"customers": "customers", "noncustomers": "noncustomers", "usage": "usage_actions"}
    files = {role: str(folder / "tables" / f"{name}.csv") for role, name in names.items()}
    rules = Rules(max_rejected_share=1.0, as_of=None if as_of is None else date_of(as_of))
    ingest(Origin(open_source("file"), SchemaSettings(), files), rules, artifacts, now=NOW)
    return latest(artifacts)


def _lists(known: Snapshot, lists: int, companies: int) -> Iterator[HandedOutList]:
    for number in range(lists):
        cutoff = known.as_of - 7 * (lists - 1 - number)
        yield HandedOutList(
            f"{date_of(cutoff)}-{number:08x}", cutoff, "1.0.0", NOW.isoformat(), "settings", HORIZON_DAYS,
            CAPACITY, "lottery", 7, companies, 0.002 * companies, companies,
        )  # fmt: skip


def _rows(known: Snapshot, number: int, companies: int) -> Iterator[tuple[object, ...]]:
    """Yield a list's rows: its companies stand about where they stood the week before."""
    rng = np.random.default_rng(number)
    ids = known.companies["id"].to_numpy(dtype=object)
    steady = np.random.default_rng(0).standard_normal(ids.size)
    odds = -7.5 + 1.2 * steady + 0.4 * rng.standard_normal(ids.size)
    order = np.argsort(-odds)[:companies]
    probability = 1 / (1 + np.exp(-odds[order]))
    chance = inclusion_probabilities(order.size, Design("lottery", CAPACITY, 7, HORIZON_DAYS))
    inclusion = np.zeros(order.size)
    inclusion[: chance.size] = chance
    selected = np.zeros(order.size, dtype=bool)
    selected[: chance.size] = pivotal(chance, rng.random(chance.size))
    drawn = in_lottery(inclusion)
    group = np.where(drawn & selected, "drawn", np.where(drawn, "control", ""))
    tier = np.where(np.arange(order.size) < CAPACITY, "A", np.where(probability > 0.001, "B", "C"))
    reasons = np.where(selected, _REASONS, "[]")
    columns = (
        ids[order].tolist(), range(1, order.size + 1), probability.tolist(), tier.tolist(),
        selected.tolist(), inclusion.tolist(), group.tolist(), reasons.tolist(),
    )  # fmt: skip
    for name, rank, promised, level, called, chosen, lot, why in zip(*columns, strict=True):
        yield number + 1, name, rank, promised, level, called, chosen, lot, None, why


def _served(known: Snapshot, number: int, lists: int, companies: int) -> Iterator[tuple[object, ...]]:
    """Yield the predictions of a week in order of time: of each company one, at some moment of it."""
    rng = np.random.default_rng([number, 1])
    ids = known.companies["id"].to_numpy(dtype=object)[:companies]
    odds = (
        -7.5 + 1.2 * np.random.default_rng(0).standard_normal(ids.size) + 0.4 * rng.standard_normal(ids.size)
    )
    begin = np.datetime64(known.as_of - 7 * (lists - number), "D").astype("datetime64[ms]")
    at = begin + np.sort(rng.integers(0, 7 * 86_400_000, ids.size)).astype("timedelta64[ms]")
    order = rng.permutation(ids.size)
    probability = 1 / (1 + np.exp(-odds[order]))
    for time_of, name, one in zip(
        np.datetime_as_string(at).tolist(), ids[order].tolist(), probability.tolist(), strict=True
    ):
        yield f"{time_of}Z", "1.0.0", name, "0123456789abcdef", one


def _insert(path: str, held: dict[str, tuple[str, Iterable[tuple[object, ...]]]]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        indices = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE '%_of_company'"
        ).fetchall()
        for name, _ in indices:
            connection.execute(f"DROP INDEX {name}")
        for table, (columns, rows) in held.items():
            marks = ", ".join("?" * len(columns.split(",")))
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - our constants
        for _, sql in indices:
            connection.execute(sql)


def _copy(url: str, held: dict[str, tuple[str, Iterable[tuple[object, ...]]]]) -> None:
    import psycopg

    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, (columns, rows) in held.items():
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
        connection.commit()
        connection.autocommit = True
        for table in held:
            cursor.execute(f"VACUUM ANALYZE {table}".encode())


if __name__ == "__main__":
    main()
