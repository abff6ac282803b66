"""The command that fits a model and registers it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ml_sys.commands.frame.context import latest_snapshot, now, open_registry
from ml_sys.commands.frame.options import SeedOption, ThreadsOption
from ml_sys.errors import ExitCode, TrackingError

if TYPE_CHECKING:
    from ml_sys.jobs.models.mlflow import Tracker
    from ml_sys.jobs.models.train import Trained
    from ml_sys.settings import MlflowSettings, Settings

_VersionOption = Annotated[
    str | None, typer.Option(help="Version to give it; by default derived from what changed.")
]
_MessageOption = Annotated[str, typer.Option("--message", "-m", help="A note on it for the registry.")]
_QuickOption = Annotated[
    bool, typer.Option("--quick", help="Leave past lists, resampling and other seeds out of the report.")
]
_MlflowOption = Annotated[
    bool, typer.Option("--mlflow", help="Log the version to MLflow, at mlflow.tracking_uri.")
]
_MlflowUriOption = Annotated[
    str | None, typer.Option("--mlflow-uri", metavar="URI", help="Log it at this address or folder.")
]


def train(
    ctx: typer.Context,
    version: _VersionOption = None,
    message: _MessageOption = "",
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    quick: _QuickOption = False,
    mlflow: _MlflowOption = False,
    mlflow_uri: _MlflowUriOption = None,
) -> None:
    """Train a model on the latest snapshot, evaluate it on the holdout and register it."""
    from ml_sys import console
    from ml_sys.jobs.models.train import quick as quickly
    from ml_sys.jobs.models.train import train_version
    from ml_sys.views import train as views

    settings = ctx.obj.load(seed=seed, threads=threads, mlflow__tracking_uri=mlflow_uri).settings
    settings = quickly(settings) if quick else settings
    tracker = _tracker(settings.mlflow) if mlflow or mlflow_uri is not None else None
    snapshot, registry = latest_snapshot(settings.artifacts_dir), open_registry(settings)
    with console.steps(views.planned(settings.report)) as on_step:
        result = train_version(
            registry, snapshot, settings, now=now(), version=version, message=message, on_step=on_step
        )
    ctx.obj.show(result, partial(views.trained, confidence=settings.bootstrap.confidence))
    if tracker is not None:
        _log(tracker, result, settings)


def _tracker(asked: MlflowSettings) -> Tracker:
    """Find the experiment before anything is trained."""
    from ml_sys.jobs.models.mlflow import open_tracker

    return open_tracker(asked.tracking_uri, asked.experiment)


def _log(tracker: Tracker, result: Trained, settings: Settings) -> None:
    """Log a version that is registered and shown already; a failure leaves it as it is."""
    from ml_sys import console
    from ml_sys.jobs.models.mlflow import log_version

    try:
        run = log_version(tracker, result, settings)
    except TrackingError as error:
        console.warn(f"version {result.entry.version} is registered, but was not logged: {error.message}")
        raise typer.Exit(ExitCode.FAILED) from error
    console.note(f"logged to MLflow at {tracker.address}, run {run}")
