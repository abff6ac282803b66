"""Commands that fit a model and judge it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_sys.commands.compare import (
    EveryOption,
    FirstOption,
    JobsOption,
    LastOption,
    RetrainOption,
    SeedOption,
    load_settings,
    run_backtest,
)
from ml_sys.commands.context import latest_snapshot, now, open_registry
from ml_sys.errors import ExitCode, TrackingError, UsageError

_REPORTS = (".html", ".json")


def train(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Option(help="Version to give it; by default derived from what changed.")
    ] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="What to say of it in the registry.")] = "",
    seed: Annotated[int | None, typer.Option(min=0, help="The one seed.")] = None,
    threads: Annotated[int | None, typer.Option(min=0, help="Threads; 0 takes every core.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave past lists, resampling and other seeds out of the report.")
    ] = False,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Log the version to MLflow, at mlflow.tracking_uri.")
    ] = False,
    mlflow_uri: Annotated[
        str | None, typer.Option("--mlflow-uri", metavar="URI", help="Log it at this address or folder.")
    ] = None,
) -> None:
    """Train a model on the latest snapshot, judge it on the holdout and register it."""
    from ml_sys import console
    from ml_sys.jobs.train import train_version
    from ml_sys.views import train as views

    left_out = False if quick else None
    settings = ctx.obj.load(
        seed=seed,
        threads=threads,
        mlflow__tracking_uri=mlflow_uri,
        report__backtest=left_out,
        report__resampling=left_out,
        report__seeds=0 if quick else None,
    ).settings
    tracker = None
    if mlflow or mlflow_uri is not None:
        from ml_sys.jobs import mlflow as tracking

        tracker = tracking.open_tracker(settings.mlflow.tracking_uri, settings.mlflow.experiment)
    snapshot, registry = latest_snapshot(settings.artifacts_dir), open_registry(settings)
    with console.steps(views.planned(settings)) as on_step:
        result = train_version(
            registry, snapshot, settings, now=now(), version=version, message=message, on_step=on_step
        )
    if ctx.obj.as_json:
        console.plain_json(views.trained_plain(result))
    else:
        views.trained(result, settings.bootstrap.confidence)
    if tracker is not None:
        try:
            run = tracking.log_version(tracker, result, settings)
        except TrackingError as error:
            console.warn(f"version {result.entry.version} is registered, but was not logged: {error.message}")
            raise typer.Exit(ExitCode.FAILED) from error
        console.note(f"logged to MLflow at {tracker.address}, run {run}")


def evaluate(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="Version; by default the one in production, or the latest.")
    ] = None,
    backtest: Annotated[bool, typer.Option("--backtest", help="Retrain at past cutoffs instead.")] = False,
    first: FirstOption = None,
    last: LastOption = None,
    every_days: EveryOption = None,
    retrain_days: RetrainOption = None,
    window: Annotated[
        str | None, typer.Option(help="Learn from the latest cutoffs ('rolling') or all ('expanding').")
    ] = None,
    jobs: JobsOption = None,
    truth: Annotated[
        Path | None, typer.Option(help="truth.csv of a sample: say how close the model comes to it.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write the backtest's predictions to this CSV.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the version's report here: a page, or .json for its figures.")
    ] = None,
    seed: SeedOption = None,
) -> None:
    """Judge a version on its holdout again, or the settings on past cutoffs."""
    from ml_sys import console

    ranges: dict[str, object] = {
        "--from": first,
        "--to": last,
        "--every-days": every_days,
        "--retrain-days": retrain_days,
    }
    ranges |= {"--window": window, "--jobs": jobs, "--predictions": predictions, "--seed": seed}
    settings = load_settings(ctx, every_days, retrain_days, jobs, seed=seed, backtest__window=window)
    if backtest:
        if version is not None or truth is not None or report is not None:
            raise UsageError(
                "a backtest retrains with the settings, not with a version",
                hint="leave VERSION, --truth and --report out",
            )
        from ml_sys.jobs import score
        from ml_sys.views import backtest as backtest_views

        judged = run_backtest(settings, first, last)
        if predictions is not None:
            score.write_table(judged.predictions(), predictions)
        if ctx.obj.as_json:
            console.plain_json(backtest_views.backtest_plain(judged))
        else:
            backtest_views.backtest(judged, predictions)
        return
    given = [flag for flag, value in ranges.items() if value is not None]
    if given:
        raise UsageError(f"only a backtest takes {' and '.join(given)}", hint="add --backtest")
    if report is not None:
        if report.suffix.lower() not in _REPORTS:
            raise UsageError(f"{report}: a report is .html or .json", hint="name the file so")
        if not report.absolute().parent.is_dir():
            raise UsageError(f"{report}: there is no such folder", hint="make it, or name another file")
    from ml_sys.jobs.evaluate import evaluate_version, write_report
    from ml_sys.views import evaluate as views

    registry = open_registry(settings)
    result = evaluate_version(registry, registry.resolve(version), truth)
    if report is not None:
        write_report(registry.open(result.version), report)
    if ctx.obj.as_json:
        console.plain_json(views.reevaluated_plain(result))
    else:
        views.reevaluated(result, settings.bootstrap.confidence, report)
    if result.differing:
        raise typer.Exit(ExitCode.FAILED)
