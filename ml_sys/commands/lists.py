"""Commands that look into the lists that were handed out."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.help import HelpfulCommand, HelpfulGroup

lists_app = typer.Typer(
    cls=HelpfulGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)


@lists_app.callback()
def lists(
    ctx: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Include lists that another of the same day has replaced.")
    ] = False,
) -> None:
    """List what was handed out when, by which version, and what came of it. Or show one list."""
    if ctx.invoked_subcommand is not None:
        return
    from ml_sys.jobs.lists.records import handed_out_lists
    from ml_sys.views import lists as views

    ctx.obj.show(handed_out_lists(ctx.obj.load().settings, replaced=every), views.lists)


@lists_app.command(cls=HelpfulCommand)
def show(
    ctx: typer.Context,
    named: Annotated[
        str,
        typer.Argument(
            metavar="LIST|DATE", help="Its id or the start of it, or a day, for the last list by then."
        ),
    ],
    company: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this one, even if it was not to be called.")
    ] = None,
) -> None:
    """Show what a list said, and what came of it."""
    from ml_sys.jobs.lists.records import show_list
    from ml_sys.views import lists as views

    ctx.obj.show(show_list(ctx.obj.load().settings, named, company), views.shown)
