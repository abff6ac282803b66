"""The command line: global options, the table of commands, and what happens to errors.

Global options may stand anywhere on the line; they are gathered in front before the commands see the rest.
Heavy imports happen inside commands, so that help is instant.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_sys import interrupts
from ml_sys.commands import (
    compare,
    config,
    data,
    evaluate,
    experiment,
    impact,
    integrity,
    lists,
    models,
    monitor,
    promote,
    score,
    serve,
    train,
    tune,
    weekly,
)
from ml_sys.commands.frame.context import GlobalOptions
from ml_sys.commands.frame.help import HelpfulCommand, HelpfulGroup
from ml_sys.errors import ExitCode, MlsysError

if TYPE_CHECKING:
    from collections.abc import Callable

_WITH_VALUE = ("--config", "--artifacts", "--set", "--log-level")
_WITHOUT_VALUE = ("--json", "--debug", "--log-json")


class _GlobalsAnywhere(HelpfulGroup):
    """Moves global options to the front, wherever they were typed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        front, rest = [], []
        waiting = iter(args)
        for arg in waiting:
            if arg == "--":
                rest += [arg, *waiting]
            elif arg in _WITHOUT_VALUE or ("=" in arg and arg.partition("=")[0] in _WITH_VALUE):
                front.append(arg)
            elif arg in _WITH_VALUE:
                front += [arg, *[value for value in (next(waiting, None),) if value is not None]]
            else:
                rest.append(arg)
        return super().parse_args(ctx, front + rest)


app = typer.Typer(
    cls=_GlobalsAnywhere,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The options above may stand anywhere on the line, also after the command.",
)


def _show_version(asked: bool) -> None:
    if asked:
        import ml_sys

        sys.stdout.write(f"mlsys {ml_sys.__version__}\n")
        raise typer.Exit


@app.callback()
def globals_(
    ctx: typer.Context,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Settings file instead of conf/mlsys.toml.")
    ] = None,
    artifacts: Annotated[Path | None, typer.Option(help="Folder of snapshots and models.")] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. model.params.max_depth=5."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines.")] = False,
    log_level: Annotated[str, typer.Option(help="Lowest level to log, e.g. debug.")] = "",
    version: Annotated[  # noqa: ARG001 - its callback is all it does
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - main reads it
) -> None:
    """Say which free companies will become paying customers in the next 30 days, how sure we are, and why."""
    from ml_sys import logs

    logs.configure(json_lines=log_json, level=log_level)
    ctx.obj = GlobalOptions(config_file, artifacts, tuple(assign or ()), as_json, log_json, log_level)


def _offer(panel: str, *commands: Callable[..., None] | tuple[str, typer.Typer]) -> None:
    """Add commands, and named groups of commands, to a panel of the help page."""
    for command in commands:
        if isinstance(command, tuple):
            app.add_typer(command[1], name=command[0], rich_help_panel=panel)
        else:
            app.command(rich_help_panel=panel, cls=HelpfulCommand)(command)


_offer("Data", data.sample, data.init, data.ingest, data.forget)
_offer(
    "Model lifecycle",
    train.train,
    evaluate.evaluate,
    tune.tune,
    ("models", models.models_app),
    compare.compare,
    compare.ablate,
    promote.promote,
    promote.rollback,
    models.history,
    integrity.verify,
    integrity.accept,
    integrity.reproduce,
    integrity.keygen,
)
_offer(
    "Lists and service",
    score.score,
    ("lists", lists.lists_app),
    impact.impact,
    ("experiment", experiment.experiment_app),
    monitor.monitor,
    weekly.weekly,
    serve.serve,
    ("apikey", serve.keys_app),
)
_offer("Settings", config.config)


@cache
def _commands() -> Any:
    """Return the commands, put together once however often a process runs one, as notebooks do."""
    return typer.main.get_command(app)


def main() -> None:
    """Run the command line; an error is two lines on stderr, and a traceback only with ``--debug``."""
    # Threads of OpenMP that wait burn a core each by default; on a busy machine fits took four times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    interrupts.install()
    debug = "--debug" in sys.argv or os.environ.get("MLSYS_DEBUG", "") not in {"", "0"}
    try:
        _commands()()
    except MlsysError as problem:
        if debug:
            raise
        from ml_sys import console

        console.error(problem)
        sys.exit(problem.exit_code)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FAILED)
    except Exception as problem:
        if debug:
            raise
        from ml_sys import console

        hint = (
            "add --debug for the traceback"
            if not isinstance(problem, OSError)
            else "check the path and its rights"
        )
        console.error(MlsysError(f"{type(problem).__name__}: {problem}", hint=hint))
        sys.exit(ExitCode.FAILED)
