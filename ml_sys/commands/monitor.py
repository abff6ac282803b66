"""The command that looks for what is unusual in data, scores and outcomes."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import now, open_registry
from ml_sys.commands.frame.options import VersionOption
from ml_sys.days import parse_day, today
from ml_sys.errors import ExitCode

_ProspectsArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE", help="File or address of prospects; by default those of the latest snapshot."
    ),
]
_OnOption = Annotated[
    str | None,
    typer.Option("--on", metavar="DATE", help="Day taken as today, for data of the past; by default today."),
]


def monitor(
    ctx: typer.Context,
    prospects: _ProspectsArgument = None,
    on: _OnOption = None,
    version: VersionOption = None,
    page: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the page to this HTML file.")
    ] = None,
) -> None:
    """Compare the latest data with those that production was judged on; exit code 4 on an alarm."""
    from ml_sys import console
    from ml_sys.engine.places import place_of
    from ml_sys.jobs.outcomes.monitor import monitor as look
    from ml_sys.views import monitor as views

    settings = ctx.obj.load().settings
    day = parse_day(on, "--on")
    with console.steps() as on_step:
        found = look(
            open_registry(settings),
            settings,
            day=today(now()) if day is None else day,
            version=version,
            prospects=place_of(prospects),
            page=place_of(page),
            on_step=on_step,
        )
    ctx.obj.show(found, views.monitoring)
    if found.alarms:
        raise typer.Exit(ExitCode.ALARM)
