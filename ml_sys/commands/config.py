"""The command that shows what is set."""

from __future__ import annotations

import typer


def config(ctx: typer.Context) -> None:
    """Show every setting's effective value and where it came from."""
    from ml_sys import console
    from ml_sys.configuration import effective
    from ml_sys.views import config as views

    configuration = ctx.obj.load()
    values = effective(configuration.settings)
    if ctx.obj.as_json:
        console.plain_json(views.settings_plain(values, configuration.origins))
    else:
        views.settings(values, configuration.origins)
