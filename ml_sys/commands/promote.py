"""Commands that choose the version in production."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import open_registry
from ml_sys.errors import ExitCode, UsageError


def promote(
    ctx: typer.Context,
    version: Annotated[str | None, typer.Argument(help="Version to put into production, e.g. 1.1.0.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, but change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Promote despite the gate; needs --reason, and is recorded.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
    rule: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Let a rule rank until a version is promoted: users, actions, amount, recency, newest.",
        ),
    ] = None,
) -> None:
    """Put VERSION into production if it is sound and no worse than the one that is there."""
    from ml_sys import console
    from ml_sys.jobs.models import promote as jobs
    from ml_sys.views import promote as views

    if (version is None) == (rule is None) or (rule is not None and force):
        raise UsageError(
            "promote a version, or a rule without --force", hint="mlsys promote VERSION, or --rule RULE"
        )
    configuration = ctx.obj.load()
    registry = open_registry(configuration.settings)
    if version is None:
        settings = configuration.settings
        promoted = jobs.promote_rule(registry, rule or "", settings, dry_run=dry_run, reason=reason)
        ctx.obj.show(promoted, views.promoted)
        return
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
        str | None, typer.Option(metavar="VERSION", help="Go back to this earlier version, or rule, instead.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
) -> None:
    """Go back to the previous production version; repeat to go further back."""
    from ml_sys.jobs.models import promote as jobs
    from ml_sys.views import promote as views

    ctx.obj.show(jobs.rollback(open_registry(ctx.obj.load().settings), to, reason), views.rolled_back)
