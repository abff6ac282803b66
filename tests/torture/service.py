"""A service to torment: versions to choose from, its processes, what it says and what it should say."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from ml_sys.registry.audit import Change
from ml_sys.registry.store import Registry
from ml_sys.scoring.loading import open_scorer
from tests.bench.serving import holdout_features, plain_rows
from tests.serve.servers import ADDRESS, resident_bytes, workers_of
from tests.torture.place import Place

STARTS_WITHIN, ENDS_WITHIN = 300.0, 120.0
_ROOT = Path(__file__).parents[2]
# As many trees as make versions that say different things.
_TREES = (5, 4, 3)


class Service:
    """A running ``mlsys serve``."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and text of a page, over a connection of its own; 0 where there is no answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=STARTS_WITHIN)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def answering(self) -> str:
        """Return what the ids of requests begin with in the process that answers a new connection."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=STARTS_WITHIN)
        try:
            connection.request("GET", "/health")
            return str(connection.getresponse().headers["x-request-id"]).partition("-")[0]
        except (OSError, HTTPException):
            return ""
        finally:
            connection.close()

    def workers(self) -> list[int]:
        """Return the processes that answer, where there are several."""
        return workers_of(self.process.pid)

    def resident(self) -> int:
        """Return the bytes of memory that all its processes hold."""
        return sum(map(resident_bytes, [self.process.pid, *self.workers()]))

    def counted(self, name: str, label: str = "") -> float:
        """Return the sum of a metric over its labels, or where one of them is so."""
        lines = self.ask("/metrics")[1].splitlines()
        found = [line for line in lines if line.startswith((f"{name}{{", f"{name} ")) and label in line]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def answered(self, version: str = "") -> float:
        """Return how many predictions it has made, with a version or all."""
        return self.counted("mlsys_predictions_total", f'model_version="{version}"' if version else "")

    def end(self) -> int:
        """Tell it to end and wait until it has; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDS_WITHIN)


@contextmanager
def serving(artifacts: Path, workers: int = 1, **options: Any) -> Iterator[Service]:
    """Run the service until the block ends, with settings of the group ``serve``."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLSYS_", "COV"))
    }
    environment |= {f"MLSYS_SERVE__{name.upper()}": str(value) for name, value in options.items()}
    command = [sys.executable, "-m", "ml_sys", "serve", "--port", "0", "--workers", str(workers)]
    command += ["--artifacts", str(artifacts)]
    log = artifacts.parent / "serve.log"
    before = len(log.read_text()) if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=artifacts.parent,
            env={**environment, "PYTHONPATH": str(_ROOT)},
        )  # fmt: skip
    service, deadline = Service(process, 0, log), time.monotonic() + STARTS_WITHIN

    def wait_for(condition: Callable[[], object]) -> None:
        while not condition():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the service did not start:\n{log.read_text()}")
            time.sleep(0.05)

    def address() -> re.Match[str] | None:
        return ADDRESS.search(log.read_text(), before)

    try:
        wait_for(address)
        service = Service(process, int(address()[1]), log)
        wait_for(lambda: service.ask("/ready")[0] == 200)
        wait_for(lambda: service.counted("mlsys_model_workers") == workers)
        yield service
    finally:
        if process.poll() is None:
            service.end()


def make_versions(folder: Path) -> Path:
    """Train a few versions in an empty folder and put the first into production; return the artifacts."""
    place = Place(folder)
    for trees in _TREES:
        place.must("train", "--set", f"model.max_trees={trees}")
    registry = Registry(place.artifacts)
    registry.promote(min(registry.read().versions), None, Change("torture", forced=True))
    return place.artifacts


def bodies_of(artifacts: Path) -> list[dict[str, Any]]:
    """Return companies as a caller would send them."""
    return plain_rows(holdout_features(artifacts))


def predictions_to_ask(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"path": "/predict", "body": body} for body in bodies]


def expected(artifacts: Path, bodies: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return what each version gives for each company, computed in this process."""
    registry = Registry(artifacts)
    found = {}
    for version in registry.read().versions:
        scorer = open_scorer(registry.open(version))
        names = scorer.spec.names()
        found[version] = [scorer.probability(scorer.row([body[name] for name in names])) for body in bodies]
    return found


def recorded(path: Path) -> list[dict[str, Any]]:
    """Return what the client wrote down of each request, in the order in which they ended."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def logged(artifacts: Path) -> int:
    """Return how many predictions the prediction log holds."""
    if not (artifacts / "outcomes.sqlite").exists():
        return 0
    with closing(sqlite3.connect(artifacts / "outcomes.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM predictions").fetchone()[0])
