"""The command that shows what is set."""

from __future__ import annotations

import typer


def config(ctx: typer.Context) -> None:
    """Show every setting's effective value and where it came from."""
    from ml_sys.jobs.config import known_settings
    from ml_sys.views import config as views

    ctx.obj.show(known_settings(ctx.obj.load()), views.settings)
