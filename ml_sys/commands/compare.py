"""Commands that make past lists again with several settings, and compare them."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import parse_days
from ml_sys.commands.frame.options import EveryOption, FirstOption, JobsOption, LastOption, RetrainOption


def compare(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="A TOML file of settings, or a version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    first: FirstOption = None,
    last: LastOption = None,
    every_days: EveryOption = None,
    retrain_days: RetrainOption = None,
    jobs: JobsOption = None,
) -> None:
    """Check whether settings B make better lists than A on past dates, and how sure that is."""
    from ml_sys import console
    from ml_sys.jobs.past.compare import compare_settings, side_of
    from ml_sys.views import compare as views

    base = ctx.obj.load_past(every_days, retrain_days, jobs)
    sides = [side_of(name, base, ctx.obj.read) for name in (a, b)]
    with console.counting("lists") as on_progress:
        result = compare_settings(base, sides[0], sides[1], parse_days(first, last), on_progress)
    ctx.obj.show(result, views.compared)


def ablate(
    ctx: typer.Context,
    groups: Annotated[
        list[str] | None, typer.Argument(help="Groups or features to leave out; by default each group.")
    ] = None,
    first: FirstOption = None,
    last: LastOption = None,
    every_days: EveryOption = None,
    retrain_days: RetrainOption = None,
    jobs: JobsOption = None,
) -> None:
    """Measure what each group of features adds, on past lists with and without it."""
    from ml_sys import console
    from ml_sys.jobs.past.compare import ablate_groups
    from ml_sys.views import compare as views

    settings = ctx.obj.load_past(every_days, retrain_days, jobs)
    with console.counting("lists") as on_progress:
        result = ablate_groups(settings, groups or [], parse_days(first, last), on_progress)
    ctx.obj.show(result, views.ablated)
