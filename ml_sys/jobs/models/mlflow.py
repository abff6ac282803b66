"""Log a version to MLflow, for teams that already use its tracking server.

The registry stays the place of record: nothing is ever read back, and a failure to log leaves the version as
it is. The contents of the version's folder are logged. MLflow's telemetry is switched off before it is
imported.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_sys.errors import ResolveError, TrackingError
from ml_sys.settings.tree import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_sys.jobs.models.train import Trained
    from ml_sys.metrics.holdout import Evaluation
    from ml_sys.settings import Settings

ADDRESS = "MLFLOW_TRACKING_URI"
FOLDER, ARTIFACTS = "mlruns", "version"
# With MLflow's own settings it would wait several minutes for a server that is down.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
_SILENCE = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
# The most parameters that MLflow accepts in one request.
_PARAMS_AT_ONCE = 100


@dataclass(frozen=True)
class Tracker:
    """An MLflow experiment to log runs to.

    Attributes
    ----------
    address : str
        Of the tracking server, or a folder as ``file:`` URI.
    experiment : str
        Its id.
    """

    address: str
    experiment: str
    client: Any


def open_tracker(uri: str, experiment: str) -> Tracker:
    """Find or create the experiment before training, so that a wrong address fails early.

    Parameters
    ----------
    uri : str
        Address or folder; empty takes ``MLFLOW_TRACKING_URI``, or the folder ``mlruns``.
    experiment : str
        Its name.

    Raises
    ------
    ResolveError
        If MLflow is not installed.
    TrackingError
        If the server does not answer, or refuses.
    """
    if find_spec("mlflow") is None:
        raise ResolveError("--mlflow: MLflow is not installed", hint='pip install "ml-sys[mlflow]"')
    os.environ.update(_SILENCE)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    address = _address(uri or os.environ.get(ADDRESS, "") or FOLDER)
    if address.startswith("file:"):
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    try:
        client = MlflowClient(tracking_uri=address)
        found = client.get_experiment_by_name(experiment)
        identity = client.create_experiment(experiment) if found is None else found.experiment_id
    except Exception as error:  # of whatever kind the store, the network or the server makes it
        raise TrackingError(address, error) from error
    return Tracker(address, identity, client)


def log_version(tracker: Tracker, result: Trained, settings: Settings) -> str:
    """Log a new version as a run and return the run's id.

    Raises
    ------
    TrackingError
        If the server refuses it; the run is then marked as failed if possible.
    """
    from mlflow.entities import Metric, Param

    client, run = tracker.client, None
    try:
        run = client.create_run(
            tracker.experiment, run_name=result.entry.version, tags=_tags(result, settings)
        ).info
        params = [Param(key, str(value)) for key, value in entries(settings).items() if _is_told(key)]
        for at in range(0, len(params), _PARAMS_AT_ONCE):
            client.log_batch(run.run_id, params=params[at : at + _PARAMS_AT_ONCE])
        metrics = [Metric(key, value, run.start_time, 0) for key, value in flat_metrics(result.evaluation)]
        client.log_batch(run.run_id, metrics=metrics)
        client.log_artifacts(run.run_id, str(result.folder), ARTIFACTS)
        client.set_terminated(run.run_id)
    except Exception as error:
        if run is not None:
            _mark_failed(client, run.run_id)
        raise TrackingError(tracker.address, error) from error
    return str(run.run_id)


def flat_metrics(evaluation: Evaluation) -> Iterator[tuple[str, float]]:
    """Yield every finite metric as ``population/ranker/metric``, in names that MLflow allows."""
    for population, rankers in evaluation.items():
        for ranker, metrics in rankers.items():
            for name, one in metrics.items():
                if math.isfinite(one.value):
                    yield f"{population}/{ranker}/{name}".replace(" ", "_"), float(one.value)


def _tags(result: Trained, settings: Settings) -> dict[str, str]:
    git = result.git
    tags = {
        "version": result.entry.version,
        "status": result.entry.status,
        "changes": result.entry.changes,
        "snapshot": result.entry.snapshot,
        "horizon_days": str(settings.label.horizon_days),
        "seal": result.entry.seal,
        "mlflow.note.content": result.entry.message,
    }
    if git:
        tags |= {"mlflow.source.git.commit": git["commit"], "git_dirty": str(git["dirty"]).lower()}
    return {name: value for name, value in tags.items() if value}


def _is_told(key: str) -> bool:
    """Return whether to log a setting: those of the model, but no addresses, keys or folders."""
    return key.partition(".")[0] not in {"artifacts_dir", "ingest", "mlflow", "registry", "serve"}


def _address(text: str) -> str:
    """Return a folder as the URI that MLflow wants, and an address unchanged."""
    return text if ":" in text else Path(text).absolute().as_uri()


def _mark_failed(client: Any, run_id: str) -> None:
    with suppress(Exception):  # the first failure is the one to report
        client.set_terminated(run_id, status="FAILED")
