"""The command that shows what is set."""

from __future__ import annotations

from typing import Annotated

import typer


def config(
    ctx: typer.Context,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the settings file, for editors.")
    ] = False,
) -> None:
    """Show every setting's effective value and where it came from."""
    from ml_sys import console
    from ml_sys.jobs.config import known_settings, settings_schema
    from ml_sys.views import config as views

    if schema:
        console.plain_json(settings_schema())
        return
    ctx.obj.show(known_settings(ctx.obj.load()), views.settings)
