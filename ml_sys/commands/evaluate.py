"""The command that judges a version again, or the settings on past lists."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_sys.commands.frame.context import open_registry, parse_days
from ml_sys.commands.frame.options import (
    EveryOption,
    FirstOption,
    JobsOption,
    LastOption,
    RetrainOption,
    VersionArgument,
)
from ml_sys.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ml_sys.settings import Settings

_BacktestOption = Annotated[bool, typer.Option("--backtest", help="Retrain at past cutoffs instead.")]
_WindowOption = Annotated[
    str | None, typer.Option(help="Learn from the latest cutoffs ('rolling') or all ('expanding').")
]
_TruthOption = Annotated[
    Path | None, typer.Option(help="truth.csv of a sample: say how close the model comes to it.")
]
_PredictionsOption = Annotated[
    Path | None, typer.Option(help="Write the backtest's predictions to this CSV.")
]
_ReportOption = Annotated[
    Path | None, typer.Option(help="Write the version's report here: a page, or .json for its figures.")
]
_SeedOption = Annotated[int | None, typer.Option(min=0, help="Seed of the backtest.")]


def evaluate(
    ctx: typer.Context,
    version: VersionArgument = None,
    backtest: _BacktestOption = False,
    first: FirstOption = None,
    last: LastOption = None,
    every_days: EveryOption = None,
    retrain_days: RetrainOption = None,
    window: _WindowOption = None,
    jobs: JobsOption = None,
    truth: _TruthOption = None,
    predictions: _PredictionsOption = None,
    report: _ReportOption = None,
    seed: _SeedOption = None,
) -> None:
    """Evaluate a version on its holdout again, or the settings on past cutoffs."""
    settings = ctx.obj.load_past(every_days, retrain_days, jobs, seed=seed, backtest__window=window)
    if backtest:
        if version is not None or truth is not None or report is not None:
            raise UsageError(
                "a backtest retrains with the settings, not with a version",
                hint="leave out VERSION, --truth and --report",
            )
        _backtest(ctx, settings, (first, last), predictions)
        return
    _refuse(
        **{"--from": first, "--to": last, "--every-days": every_days, "--retrain-days": retrain_days},
        **{"--window": window, "--jobs": jobs, "--predictions": predictions, "--seed": seed},
    )
    _evaluate(ctx, settings, version, truth, report)


def _backtest(
    ctx: typer.Context, settings: Settings, days: tuple[str | None, str | None], predictions: Path | None
) -> None:
    from ml_sys import console
    from ml_sys.jobs.past.backtest import backtest_settings
    from ml_sys.views.frame import backtest as views

    with console.counting("lists") as on_progress:
        result = backtest_settings(settings, parse_days(*days), predictions, on_progress)
    ctx.obj.show(result, views.backtest)


def _evaluate(
    ctx: typer.Context, settings: Settings, version: str | None, truth: Path | None, report: Path | None
) -> None:
    from ml_sys.jobs.models.evaluate import evaluate_version
    from ml_sys.views import evaluate as views

    result = evaluate_version(open_registry(settings), version, truth, report)
    ctx.obj.show(result, partial(views.reevaluated, confidence=settings.bootstrap.confidence))
    if result.differing:
        raise typer.Exit(ExitCode.FAILED)


def _refuse(**flags: object) -> None:
    """Refuse options that only a backtest takes."""
    given = [flag for flag, value in flags.items() if value is not None]
    if given:
        raise UsageError(f"only a backtest takes {' and '.join(given)}", hint="add --backtest")
