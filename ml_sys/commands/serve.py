"""Commands that serve predictions over HTTP, and make API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import GlobalOptions
from ml_sys.commands.frame.help import HelpfulCommand, HelpfulGroup


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that answer.")] = None,
    version: Annotated[
        str | None,
        typer.Option(
            envvar="MLSYS_MODEL_VERSION", help="Serve only this version; by default the one in production."
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on any address without an API key.")
    ] = False,
) -> None:
    """Serve predictions over HTTP; promotions and rollbacks take effect while it runs."""
    from ml_sys.jobs.serve import serve_settings
    from ml_sys.views import serve as views

    given: GlobalOptions = ctx.obj
    settings = given.load(
        serve__host=host, serve__port=port, serve__workers=workers, serve__insecure=insecure or None
    ).settings
    serve_settings(
        settings,
        version,
        logging=(given.log_json, given.log_level),
        on_start=lambda start: views.started(start, given.artifacts_dir),
    )


keys_app = typer.Typer(cls=HelpfulGroup, no_args_is_help=True, help="API keys for callers of the service.")


@keys_app.command(cls=HelpfulCommand)
def new(ctx: typer.Context) -> None:
    """Make an API key: shown once, for its user; the settings get its digest."""
    from ml_sys.jobs.serve import ApiKey
    from ml_sys.serve.http.keys import new_key
    from ml_sys.views import serve as views

    ctx.obj.show(ApiKey(*new_key()), views.key)
