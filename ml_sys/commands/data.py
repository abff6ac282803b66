"""Commands that make, describe and read tables."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ml_sys.commands.frame.context import now
from ml_sys.commands.frame.tables import TablesOption, places
from ml_sys.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ml_sys.settings import Settings


def sample(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where the files are written.")],
    companies: Annotated[
        int, typer.Option(min=1, help="Number of companies, or workspaces, to generate.")
    ] = 8000,
    weeks: Annotated[int, typer.Option(min=1, help="Length of the usage log.")] = 104,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; by default the one in the settings.")] = None,
    preset: Annotated[
        Literal["hubspot", "product"],
        typer.Option(help="The three tables of HubSpot, or workspaces with raw events of their users."),
    ] = "hubspot",
) -> None:
    """Generate tables, with realistic faults, and the true probabilities."""
    from ml_sys import console
    from ml_sys.sample.presets import GENERATORS
    from ml_sys.views import data as views

    settings = ctx.obj.load(seed=seed).settings
    with console.counting("companies", companies) as on_progress:
        report = GENERATORS[preset](
            folder, companies=companies, weeks=weeks, seed=settings.seed, on_progress=on_progress
        )
    ctx.obj.show(report, views.sampled)


def init(
    ctx: typer.Context,
    files: Annotated[
        list[str], typer.Argument(help="Files and folders; or a database and some of its tables.")
    ],
    out: Annotated[Path, typer.Option(help="Settings file to write.")] = Path("conf/mlsys.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace it if it already exists.")] = False,
    id_: Annotated[
        str, typer.Option("--id", metavar="COLUMN", help="Column that identifies the accounts that may pay.")
    ] = "",
    at: Annotated[str, typer.Option(metavar="COLUMN", help="Column that says when usage happened.")] = "",
    converted: Annotated[
        str,
        typer.Option(
            metavar="TABLE|COLUMN",
            help="Purchases, or conversion day; or a kind of event, TABLE.COLUMN=KIND.",
        ),
    ] = "",
    entity: Annotated[
        str, typer.Option(metavar="TABLE", help="Table with one row for each account that may pay.")
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column with the day on which each was created.")
    ] = "",
    dates: Annotated[
        str,
        typer.Option(
            metavar="DD/MM/YYYY|MM/DD/YYYY", help="How dates are written, if the files do not show it."
        ),
    ] = "",
) -> None:
    """Look at any tables, write a commented description of them, and ingest them."""
    from ml_sys import console
    from ml_sys.data.proposing.answers import Answers
    from ml_sys.jobs.data.ingest import ingest_tables
    from ml_sys.jobs.data.init import describe_files
    from ml_sys.views import data as views

    answers = Answers(id_, at, converted, entity, since, dates)
    ask = _ask if sys.stdin.isatty() else None
    made = describe_files(files, out, answers, force=force, ask=ask)
    if not ctx.obj.as_json:
        views.described(made)
    settings = ctx.obj.read(out)
    with console.steps() as on_step:
        report = ingest_tables(settings, now=now(), on_step=on_step)
    ctx.obj.show(replace(made, ingested=report), views.initiated)


def ingest(
    ctx: typer.Context,
    customers: Annotated[
        str | None, typer.Option(metavar="FILE", help="File or address of the customers.")
    ] = None,
    noncustomers: Annotated[
        str | None, typer.Option(metavar="FILE", help="File or address of the noncustomers.")
    ] = None,
    usage: Annotated[
        str | None, typer.Option(metavar="FILE", help="File, folder or address of the usage rows.")
    ] = None,
    table: TablesOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Day of the export; by default the end of covered usage."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check the description against the tables, and store nothing.")
    ] = False,
) -> None:
    """Read the tables, put bad rows into quarantine and store the rest as a snapshot."""
    from ml_sys import console
    from ml_sys.jobs.data.ingest import ingest_tables
    from ml_sys.views import data as views

    named = {"customers": customers, "noncustomers": noncustomers, "usage": usage}
    settings = ctx.obj.load(ingest__files=places(named, table), ingest__as_of=as_of).settings
    if check:
        _check(ctx, settings)
        return
    with console.steps() as on_step:
        report = ingest_tables(settings, now=now(), on_step=on_step)
    ctx.obj.show(report, views.ingested)


def _check(ctx: typer.Context, settings: Settings) -> None:
    """Judge a description; a certain leak is a failure."""
    from ml_sys.jobs.data.check import check_tables
    from ml_sys.views import data as views

    found = check_tables(settings)
    ctx.obj.show(found, views.checked)
    if found.has_leak:
        raise typer.Exit(ExitCode.FAILED)


def forget(
    ctx: typer.Context,
    company: Annotated[
        str, typer.Argument(metavar="ID", help="The id; put -- before it if it begins with a dash.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show where it is, and remove nothing.")] = False,
) -> None:
    """Remove an id from the prediction log, lists and quarantine, and list what keeps it for good."""
    from ml_sys.jobs.data.forget import forget_company
    from ml_sys.views import data as views

    if not company.strip():
        raise UsageError("the id is blank", hint="give one: mlsys forget ID")
    done = forget_company(ctx.obj.load().settings, company, dry_run=dry_run)
    ctx.obj.show(done, views.forgotten)
    if done.failed:
        raise typer.Exit(ExitCode.FAILED)


def _ask(question: str, among: list[str]) -> str:
    """Ask on stderr until the answer is one of the possible ones; results go to stdout."""
    while True:
        answer = str(typer.prompt(f"{question} ({', '.join(among)})", default=among[0], err=True))
        if answer in among:
            return answer
        typer.echo(f"{answer!r} is not one of these", err=True)
