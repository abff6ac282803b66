"""The command that says what lists have brought."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.days import parse_day
from ml_sys.errors import UsageError


def impact(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only lists of this day and later ones.")
    ] = None,
    customers: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Customers to take conversions from; by default those of the latest snapshot.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Day up to which that file is complete; by default its last day."),
    ] = None,
    called: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File of those that were called: ids, and in called_on the days of the calls.",
        ),
    ] = None,
    page: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the page to this HTML file.")
    ] = None,
) -> None:
    """Show what the lists brought: promised against realised, and the effect of being called."""
    from ml_sys import console
    from ml_sys.engine.places import place_of
    from ml_sys.jobs.outcomes.impact import ImpactRequest, impact_of_lists
    from ml_sys.views import impact as views

    if as_of is not None and customers is None:
        raise UsageError("--as-of needs a file of customers", hint="add --customers FILE")
    asked = ImpactRequest(
        parse_day(since, "--since"),
        place_of(customers),
        parse_day(as_of, "--as-of"),
        place_of(called),
        place_of(page),
    )
    with console.steps() as on_step:
        result = impact_of_lists(ctx.obj.load().settings, asked, on_step)
    ctx.obj.show(result, views.brought)
