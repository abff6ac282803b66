"""The command that searches for better settings."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from ml_sys.commands.frame.options import SeedOption, ThreadsOption
from ml_sys.errors import ExitCode, UsageError


def tune(
    ctx: typer.Context,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Total trials of the study, including earlier runs.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no trial after this many minutes; 0 means no limit.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the best settings to this TOML, for `mlsys --config`.")
    ] = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Search for better settings on past cutoffs, never on the holdout; the same command resumes later."""
    from ml_sys import console
    from ml_sys.jobs.past.tune import tune_settings
    from ml_sys.views import tune as views

    if out is not None and not out.absolute().parent.is_dir():
        raise UsageError(f"{out}: its folder does not exist", hint="create it, or choose another file")
    settings = ctx.obj.load(tune__trials=trials, tune__minutes=minutes, seed=seed, threads=threads).settings
    with console.counting("trials", settings.tune.trials) as on_progress:

        def on_trial(done: int, best: float) -> None:
            on_progress(done, what=f"trials, best {best:.4f}" if done else "trials")

        result = tune_settings(settings, out, clock=monotonic, on_trial=on_trial)
    ctx.obj.show(result, views.tuned)
    if result.done < result.asked:
        console.note(f"{result.done} of {result.asked} trials are done; run the same command to continue")
    if result.tuned.interrupted:
        raise typer.Exit(ExitCode.FAILED)
