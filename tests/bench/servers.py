"""The servers that are compared, each started in processes of its own: ours, and two baselines.

*floor* answers with a constant, behind the same framework, server and schemas: nothing can be much faster.
*naive* is the usual way: a data frame and the version's Pipeline for every request.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

FLOOR, OURS, NAIVE = "floor", "ours", "naive"
_STARTS_WITHIN, _STOPS_WITHIN = 300.0, 60.0
_POLL_SECONDS = 0.005
_SHOWN = 2000  # characters of the log of a server that did not start
_ROOT = Path(__file__).parents[2]


@contextmanager
def running(
    kind: str, artifacts: Path, workers: int = 1, ready: str = "/health"
) -> Iterator[tuple[str, float]]:
    """Run a server; yield its address and the seconds from its start until ``ready`` answered 200."""
    from tests.serve.servers import free_port  # what it imports is no part of the servers that are compared

    with free_port() as port:
        yield from _running(kind, artifacts, workers, ready, port)


def _running(kind: str, artifacts: Path, workers: int, ready: str, port: int) -> Iterator[tuple[str, float]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLSYS_")}
    environment |= {"PYTHONPATH": str(_ROOT), "MLSYS_ARTIFACTS_DIR": str(artifacts)}
    if kind == OURS:
        environment |= {"MLSYS_SERVE__PORT": str(port), "MLSYS_SERVE__WORKERS": str(workers)}
        command = [sys.executable, "-m", "ml_sys", "serve"]
    else:
        command = [sys.executable, "-m", "tests.bench.servers", kind, str(port), str(workers)]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            while not _answers(port, ready):
                if process.poll() is not None or time.perf_counter() - began > _STARTS_WITHIN:
                    log.seek(0)
                    raise SystemExit(f"{kind} did not start:\n{log.read()[-_SHOWN:]}")
                time.sleep(_POLL_SECONDS)
            yield url, time.perf_counter() - began
        finally:
            _stop(process)


def floor_app() -> Any:
    """Return an application that parses a request as ours does and answers with a constant."""
    from fastapi import FastAPI

    from ml_sys.model.files.layout import feature_spec
    from ml_sys.serve.contract.answers import Prediction
    from ml_sys.serve.contract.request_types import request_type

    app = FastAPI()
    answer = Prediction(
        conversion_probability=0.01,
        will_convert=False,
        tier="C",
        threshold=0.05,
        model_version="1.0.0",
        warnings=[],
    )

    async def predict(body: Any) -> Any:
        return answer

    predict.__annotations__["body"] = request_type(feature_spec(_artifact()))
    app.post("/predict", response_model=Prediction)(predict)
    app.get("/health")(_health)
    return app


def naive_app() -> Any:
    """Return an application that builds a frame of each request and asks the version's model."""
    import numpy as np
    import pandas as pd
    from fastapi import FastAPI

    from ml_sys.registry.loading import build_model

    model = build_model(_registry(), _artifact())
    names, categories = model.spec.names(), set(model.spec.categories())
    types = {name: object if name in categories else np.float32 for name in names}
    app = FastAPI()

    @app.post("/predict")
    def predict(body: dict[str, Any]) -> dict[str, Any]:
        frame = pd.DataFrame([body], columns=names).astype(types)
        probability = float(model.probabilities(frame)[0])
        return {
            "conversion_probability": probability,
            "will_convert": probability >= model.threshold,
            "tier": str(model.tiers.of(np.array([probability]))[0]),
            "threshold": model.threshold,
            "model_version": "1.0.0",
        }

    app.get("/health")(_health)
    return app


async def _health() -> dict[str, str]:
    return {"status": "ok"}


def _registry() -> Any:
    from ml_sys.registry.store import Registry

    return Registry(Path(os.environ["MLSYS_ARTIFACTS_DIR"]))


def _artifact() -> Any:
    registry = _registry()
    return registry.open(registry.resolve(None))


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_STARTS_WITHIN)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Run a baseline."""
    import uvicorn

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=(FLOOR, NAIVE))
    parser.add_argument("port", type=int)
    parser.add_argument("workers", type=int)
    options = parser.parse_args()
    uvicorn.run(
        f"tests.bench.servers:{options.kind}_app",
        factory=True,
        port=options.port,
        workers=options.workers,
        loop="uvloop",
        http="h11",  # as ours
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
