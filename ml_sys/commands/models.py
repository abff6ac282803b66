"""Commands that say which versions there are, what they are, and which was live when."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import open_registry
from ml_sys.commands.frame.help import HelpfulCommand, HelpfulGroup

models_app = typer.Typer(
    cls=HelpfulGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)


@models_app.callback()
def models(ctx: typer.Context) -> None:
    """List the versions: status, data, metrics, when they were served. Or show one, or compare two."""
    if ctx.invoked_subcommand is not None:
        return
    from ml_sys.registry.history import catalogue
    from ml_sys.views import models as views

    ctx.obj.show(catalogue(open_registry(ctx.obj.load().settings)), views.models)


@models_app.command(cls=HelpfulCommand)
def show(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="Version; by default the one in production, or the latest.")
    ] = None,
) -> None:
    """Show everything about VERSION: data, features, settings, metrics, lineage, promotions."""
    from ml_sys.registry.inspection import describe
    from ml_sys.views import models as views

    registry = open_registry(ctx.obj.load().settings)
    ctx.obj.show(describe(registry, registry.resolve(version)), views.description)


@models_app.command(cls=HelpfulCommand)
def diff(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(help="A version.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
) -> None:
    """Show how FIRST and SECOND differ: settings, features, data, metrics."""
    from ml_sys.registry.inspection import compare
    from ml_sys.views import models as views

    registry = open_registry(ctx.obj.load().settings)
    ctx.obj.show(compare(registry, registry.resolve(first), registry.resolve(second)), views.difference)


def history(
    ctx: typer.Context,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what was live then, e.g. 2026-11-25T08:00 (UTC)."),
    ] = None,
) -> None:
    """Show which version was live when, who changed it, why, and what the gate said."""
    from ml_sys.registry.history import Live, RegistryHistory, live_at, parse_moment
    from ml_sys.views import models as views

    records = open_registry(ctx.obj.load().settings).trail().records
    if at is not None:
        moment = parse_moment(at)
        ctx.obj.show(Live(moment, live_at(records, moment)), views.live)
    else:
        ctx.obj.show(RegistryHistory(tuple(records)), views.history)
