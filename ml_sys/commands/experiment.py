"""The command that says how long an experiment has to run."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import open_registry
from ml_sys.commands.frame.help import HelpfulCommand, HelpfulGroup
from ml_sys.commands.frame.options import VersionOption

experiment_app = typer.Typer(
    cls=HelpfulGroup,
    no_args_is_help=True,
    help="Learn what calling achieves, by drawing whom to call at the margin of the list.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@experiment_app.callback()
def experiment() -> None:
    """Learn what calling achieves, by drawing whom to call at the margin of the list."""


@experiment_app.command(cls=HelpfulCommand)
def plan(
    ctx: typer.Context,
    capacity: Annotated[
        int | None, typer.Option(min=1, help="Calls per list; by default as in the settings.")
    ] = None,
    effect: Annotated[
        float,
        typer.Option(min=0.01, help="Effect of a call on the probability: 0.5 means half as much again."),
    ] = 0.5,
    version: VersionOption = None,
) -> None:
    """Estimate how many lists each design needs until its effect shows, before it is switched on."""
    from ml_sys import console
    from ml_sys.jobs.outcomes.experiment import plan_experiment
    from ml_sys.views import experiment as views

    settings = ctx.obj.load().settings
    with console.steps() as on_step:
        result = plan_experiment(
            open_registry(settings),
            version,
            settings,
            capacity=capacity or settings.threshold.capacity,
            effect=effect,
            on_step=on_step,
        )
    ctx.obj.show(result, views.planned)
