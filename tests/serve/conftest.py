"""A registry with three versions, and `mlsys serve` on it as its clients see it: processes of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from ml_sys.data.snapshot import Snapshot
from ml_sys.features.compute import FeatureSpec, feature_frame
from ml_sys.features.inputs import FeatureInputs
from ml_sys.model.train import FittedModel
from ml_sys.registry.audit import Change
from ml_sys.registry.loading import load_version
from ml_sys.registry.store import Registry
from tests.data.tables import MEASURES
from tests.serve.servers import (
    ADDRESS,
    DIGEST,
    NEXT_DIGEST,
    PATIENCE,
    STARTS_WITHIN,
    TIMEOUT,
    Running,
    running,
    until,
    workers_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# Of those that there are: same features; and other features, so that the requests change with the version.
FIRST, SECOND, OTHER = "1.0.0", "1.1.0", "2.0.0"
# What the CRM writes for a site that has no rank.
UNRANKED = 16_000_001
JSON = {"content-type": "application/json"}
EPOCH = np.datetime64(0, "D")


@pytest.fixture(scope="session")
def versions(several: Path) -> Path:
    """An artifacts folder with the three versions, none in production; copy it before changing it."""
    return several


def produce(root: Path, version: str) -> None:
    """Put a version into production whatever the gate says of it."""
    registry = Registry(root, actor="tester")
    registry.promote(version, registry.read().production, Change("test"))


@pytest.fixture
def artifacts(versions: Path, tmp_path: Path) -> Path:
    """A copy with the first version in production, for a test that changes it."""
    root = Path(shutil.copytree(versions, tmp_path / "artifacts"))
    produce(root, FIRST)
    return root


@dataclass(frozen=True)
class Serving:
    """A running `mlsys serve`."""

    client: httpx.Client
    port: int
    process: subprocess.Popen[Any]
    log: Path
    root: Path

    def predict(self, body: Any, **options: Any) -> Any:
        """Return the prediction of a request that fits."""
        answer = self.client.post("/predict", json=body, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def version(self) -> str | None:
        served: str | None = self.client.get("/health").json()["model_version"]
        return served

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over every label that is not named."""
        return metric(self.client.get("/metrics").text, name, **labels)

    def workers(self) -> list[int]:
        """Return the processes that were spawned to answer."""
        return workers_of(self.process.pid)


def metric(text: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples in Prometheus' text that have these labels."""
    total = 0.0
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")).items():
            total += float(found[2])
    return total


@contextmanager
def serving(
    root: Path, *options: object, ready: int = 200, behind: Sequence[str] = (), **environment: str
) -> Iterator[Serving]:
    """Run `mlsys serve` on a free port until the end of the block; settings as environment variables.

    ``behind`` is a command that runs it.
    """
    folder = root.parent
    log = folder / f"serve-{time.monotonic_ns()}.log"
    command = [*behind, sys.executable, "-m", "ml_sys", "serve", "--port", "0", "--artifacts", root, *options]
    own = {"MLSYS_SERVE__DRAIN_SECONDS": "0", **environment}
    with log.open("w") as stderr:
        process = subprocess.Popen(
            list(map(str, command)), stdout=stderr, stderr=stderr, cwd=folder, env={**os.environ, **own}
        )
    try:
        until(lambda: bool(ADDRESS.search(log.read_text())) or process.poll() is not None, STARTS_WITHIN)
        found = ADDRESS.search(log.read_text())
        assert found, log.read_text()
        port = int(found[1])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, headers=JSON) as client:
            until(lambda: _status(client) == ready or process.poll() is not None, STARTS_WITHIN)
            assert process.poll() is None, log.read_text()
            yield Serving(client, port, process, log, root)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=PATIENCE)
        finally:
            process.kill()


def _status(client: httpx.Client) -> int:
    try:
        return client.get("/ready").status_code
    except httpx.TransportError:
        return 0


@pytest.fixture(scope="session")
def served(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server of version 1.0.0 for every test that changes nothing."""
    root = Path(shutil.copytree(versions, tmp_path_factory.mktemp("served") / "artifacts"))
    produce(root, FIRST)
    with serving(root, MLSYS_SERVE__MAX_BATCH_ROWS="40") as one:
        yield one


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A small application behind our guard, by a real server with small limits and patience."""
    with running(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same for callers that show one of two keys."""
    with running(tmp_path_factory.mktemp("locked"), digests=[DIGEST, NEXT_DIGEST]) as one:
        yield one


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same where nobody has more time than TIMEOUT."""
    with running(tmp_path_factory.mktemp("impatient"), timeout_seconds=TIMEOUT) as one:
        yield one


@pytest.fixture(scope="session")
def models(versions: Path) -> dict[str, FittedModel]:
    """Each version's Pipeline, by its name."""
    return {version: load_version(Registry(versions), version) for version in (FIRST, SECOND, OTHER)}


@dataclass(frozen=True)
class Prospects:
    """Companies of the snapshot at the end of its usage, as training sees them."""

    snapshot: Snapshot
    cutoff: int
    features: pd.DataFrame

    @classmethod
    def of(cls, snapshot: Snapshot, model: FittedModel) -> Prospects:
        cutoff = int(snapshot.usage_stamp.max()) + 7
        inputs = FeatureInputs.from_snapshot(snapshot, FeatureSpec((7,)))
        return cls(snapshot, cutoff, feature_frame(inputs, np.array([cutoff], dtype=np.int32), model.spec))

    @property
    def day(self) -> str:
        """The cutoff, ISO 8601."""
        return str(EPOCH + self.cutoff)

    def free(self) -> Any:
        """Return the places of those that are no customers at the cutoff."""
        return np.flatnonzero(self.snapshot.closed >= self.cutoff)

    def id(self, at: int) -> str:
        return str(self.snapshot.companies["id"].iloc[at])

    def flat(self, at: int) -> dict[str, Any]:
        """Return a request with a company's ready features."""
        row = self.features.iloc[at].to_dict()
        return {name: None if pd.isna(value) else value for name, value in row.items()}

    def raw(self, at: int) -> dict[str, Any]:
        """Return a request with a company's firmographics and usage rows."""
        company = self.snapshot.companies.iloc[at]
        low, high = np.searchsorted(self.snapshot.usage_company, [at, at + 1])
        rank = company["alexa_rank"]
        return {
            "as_of": self.day,
            "alexa_rank": None if np.isnan(rank) or np.isinf(rank) else float(rank),
            "unranked": bool(np.isinf(rank)),
            "employee_range": None if pd.isna(company["employee_range"]) else company["employee_range"],
            "industry": None if pd.isna(company["industry"]) else company["industry"],
            "usage": [
                {
                    "when_timestamp": f"{EPOCH + int(self.snapshot.usage_stamp[row])}T00:00:00",
                    **dict(zip(MEASURES, self.snapshot.usage_values[row].tolist(), strict=True)),
                }
                for row in range(low, high)
            ],
        }


@pytest.fixture(scope="session")
def prospects(snapshot: Snapshot, models: dict[str, FittedModel]) -> Prospects:
    """The snapshot's companies with the features of version 1.0.0."""
    return Prospects.of(snapshot, models[FIRST])


@pytest.fixture(scope="session")
def some(prospects: Prospects, models: dict[str, FittedModel]) -> list[int]:
    """Places of some prospects: the likeliest, and some others."""
    free = prospects.free()
    probability = models[FIRST].probabilities(prospects.features.iloc[free])
    ranked = free[np.argsort(-probability, kind="stable")]
    return [int(at) for at in np.unique(np.concatenate([ranked[:12], free[:8]]))]


@pytest.fixture(scope="session")
def telling(prospects: Prospects, models: dict[str, FittedModel], some: list[int]) -> dict[str, Any]:
    """A flat request to which the first two versions say something clearly different."""
    rows = prospects.features.iloc[some]
    apart = np.abs(models[FIRST].probabilities(rows) - models[SECOND].probabilities(rows))
    assert apart.max() > 1e-4
    return prospects.flat(some[int(np.argmax(apart))])


def said(model: FittedModel, body: dict[str, Any]) -> float:
    """Return what a version's Pipeline says of a flat request."""
    row = pd.DataFrame([body])[model.spec.names()]
    categories = set(model.spec.categories())
    types = {name: object if name in categories else np.float32 for name in row.columns}
    return float(model.probabilities(row.astype(types))[0])


def errors(answer: httpx.Response, status: int = 422) -> list[str]:
    """Return the fields that a problem document names, having checked its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert all(one["problem"] for one in problem["errors"])
    return [one["field"] for one in problem["errors"]]


def finite(text: str) -> Any:
    """Parse JSON that must hold no NaN or infinity."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)
