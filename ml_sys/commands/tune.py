"""The command that searches for better settings."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from ml_sys.commands.context import latest_snapshot
from ml_sys.errors import ExitCode, UsageError

_MINUTE = 60


def tune(
    ctx: typer.Context,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials that the study is to have, with those of earlier runs.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="No trial begins after this many minutes; 0: no limit.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the best settings to this TOML, for `mlsys --config`.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The one seed.")] = None,
    threads: Annotated[int | None, typer.Option(min=0, help="Threads; 0 takes every core.")] = None,
) -> None:
    """Search for better settings on past cutoffs, never on the holdout; the same command goes on later."""
    from ml_sys import console, settings_file
    from ml_sys.durable import replacing
    from ml_sys.experiments import search_space, study, tuning
    from ml_sys.model.split import Source
    from ml_sys.registry.environment import environment
    from ml_sys.views import tune as views

    if out is not None and not out.absolute().parent.is_dir():
        raise UsageError(f"{out}: there is no such folder", hint="make it, or name another file")
    settings = ctx.obj.load(tune__trials=trials, tune__minutes=minutes, seed=seed, threads=threads).settings
    snapshot = latest_snapshot(settings.artifacts_dir)
    source, space = Source.of(snapshot, settings), search_space.space_around(settings)
    key = tuning.study_key(snapshot.id, settings, space, environment()["packages"])
    folder = settings.artifacts_dir / tuning.STUDIES / key
    until = monotonic() + settings.tune.minutes * _MINUTE if settings.tune.minutes else float("inf")
    with (
        study.opened(folder) as opened,
        console.counting("trials", settings.tune.trials) as on_progress,
    ):
        result = tuning.search(
            opened,
            source,
            settings,
            space,
            folder=folder,
            may_begin=lambda: monotonic() < until,
            on_trial=lambda done, best: on_progress(done, f"trials, best {best:.4f}" if done else "trials"),
        )
    if out is not None:
        text = settings_file.as_changes(result.settings, views.head(result, key))
        with replacing(out) as sink:
            sink.write(text.encode())
    if ctx.obj.as_json:
        console.plain_json(views.tuned_plain(result, out))
    else:
        views.tuned(result, out)
    done = len(result.trials) + result.pruned
    if done < settings.tune.trials:
        console.note(f"{done} of {settings.tune.trials} trials are done; the same command goes on")
    if result.interrupted:
        raise typer.Exit(ExitCode.FAILED)
