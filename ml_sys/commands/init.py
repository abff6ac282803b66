"""The command that describes any company's tables."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ml_sys.commands.frame.context import now


def init(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(help="Files and folders: CSV, JSON lines, Parquet.")],
    out: Annotated[Path, typer.Option(help="Settings file that is written.")] = Path("conf/mlsys.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace it if it is there already.")] = False,
    id_: Annotated[str, typer.Option("--id", metavar="COLUMN", help="Identifies those that may pay.")] = "",
    at: Annotated[str, typer.Option(metavar="COLUMN", help="Says when usage happened.")] = "",
    converted: Annotated[
        str,
        typer.Option(
            metavar="TABLE|COLUMN", help="Purchases, or day of conversion; TABLE.COLUMN=KIND of an event."
        ),
    ] = "",
    entity: Annotated[str, typer.Option(metavar="TABLE", help="Has one row for each that may pay.")] = "",
    since: Annotated[str, typer.Option(metavar="COLUMN", help="Day on which one began to exist.")] = "",
    dates: Annotated[
        str,
        typer.Option(metavar="DD/MM/YYYY|MM/DD/YYYY", help="How dates are written, if files do not tell."),
    ] = "",
) -> None:
    """Look at any tables, write a commented description of them, and ingest them by it."""
    from ml_sys import console
    from ml_sys.data.proposing.proposal import Answers
    from ml_sys.jobs.data.ingest import ingest_tables
    from ml_sys.jobs.data.init import describe_files
    from ml_sys.views import init as views

    answers = Answers(id_, at, converted, entity, since, dates)
    ask = _ask if sys.stdin.isatty() else None
    made = describe_files(files, out, answers, force=force, ask=ask)
    if not ctx.obj.as_json:
        views.described(made)
    settings = ctx.obj.read(out)
    with console.steps() as on_step:
        report = ingest_tables(settings, now=now(), on_step=on_step)
    ctx.obj.show(replace(made, ingested=report), views.ingested)


def _ask(question: str, among: list[str]) -> str:
    """Ask on the terminal until the answer is one of the possible ones; results do not go there."""
    while True:
        answer = str(typer.prompt(f"{question} ({', '.join(among)})", default=among[0], err=True))
        if answer in among:
            return answer
        typer.echo(f"{answer!r} is none of these", err=True)
