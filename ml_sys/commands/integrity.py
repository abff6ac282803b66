"""Commands that prove what is stored: verification, reproduction, keys for signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_sys.commands.frame.context import open_registry
from ml_sys.errors import ExitCode, UsageError


def verify(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="Version; by default the one in production, or the latest.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every version.")] = False,
) -> None:
    """Verify the audit trail, the index, and every byte of a version or of all."""
    from ml_sys import console
    from ml_sys.registry import verification
    from ml_sys.views import integrity as views

    if every and version is not None:
        raise UsageError("--all and VERSION exclude each other", hint="leave out one of them")
    registry = open_registry(ctx.obj.load().settings)
    with console.counting("versions") as on_progress:
        findings = verification.verify(registry, version, every=every, on_progress=on_progress)
    result = verification.Verification(findings)
    ctx.obj.show(result, views.verified)
    if not result.passed:
        raise typer.Exit(ExitCode.FAILED)


def accept(
    ctx: typer.Context,
    version: Annotated[
        str | None,
        typer.Argument(help="Version to register; without it, accept the audit trail as it stands."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")] = "",
) -> None:
    """Accept what `verify` found: a version that nobody registered, or an audit trail that was cut."""
    from ml_sys.registry.verification import accept_found
    from ml_sys.views import integrity as views

    if not reason.strip():
        raise UsageError("accepting needs a reason", hint='say how it came about: --reason "…"')
    ctx.obj.show(accept_found(open_registry(ctx.obj.load().settings), version, reason), views.accepted)


def reproduce(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="Version; by default the one in production, or the latest.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=0, help="Threads instead of those it was trained with; 0 takes every core."),
    ] = None,
) -> None:
    """Train VERSION again from its snapshot, settings and seed, and check that every bit is the same."""
    from ml_sys import console
    from ml_sys.jobs.models.reproduce import reproduce_version
    from ml_sys.views import integrity as views

    settings = ctx.obj.load().settings
    registry = open_registry(settings)
    with console.steps() as on_step:
        result = reproduce_version(
            registry, registry.resolve(version), threads=threads, engine=settings.engine, on_step=on_step
        )
    ctx.obj.show(result, views.reproduced)
    if not (result.identical or result.close):
        raise typer.Exit(ExitCode.FAILED)


def keygen(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="File of the new private key; its public key goes beside it.")],
) -> None:
    """Make a key to sign versions with."""
    from ml_sys.model.files.signing import make_keys
    from ml_sys.views import integrity as views

    ctx.obj.show(make_keys(path), views.keys)
