"""Commands that choose the version in production."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import open_registry
from ml_sys.errors import ExitCode


def promote(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="Version to put into production, e.g. 1.1.0.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, but change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Promote despite the gate; needs --reason, and is recorded.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
) -> None:
    """Put VERSION into production if it is sound and no worse than the one that is there."""
    from ml_sys import console
    from ml_sys.jobs.models import promote as jobs
    from ml_sys.views import promote as views

    configuration = ctx.obj.load()
    registry = open_registry(configuration.settings)
    with console.steps() as on_step:
        result = jobs.promote(
            registry,
            version,
            configuration,
            dry_run=dry_run,
            force=force,
            reason=reason,
            on_step=on_step,
        )
    ctx.obj.show(result, views.promoted)
    if result.refused:
        raise typer.Exit(ExitCode.GATE_REFUSED)


def rollback(
    ctx: typer.Context,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Go back to this earlier version instead.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
) -> None:
    """Go back to the previous production version; again goes further back."""
    from ml_sys.jobs.models import promote as jobs
    from ml_sys.views import promote as views

    ctx.obj.show(jobs.rollback(open_registry(ctx.obj.load().settings), to, reason), views.rolled_back)
