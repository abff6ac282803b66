"""The command that does the whole weekly job."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_sys.commands.frame.context import now, open_registry
from ml_sys.commands.frame.tables import TablesOption, places
from ml_sys.errors import ExitCode, UsageError

_ProspectsArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE", help="File or address of prospects; by default those of the week's snapshot."
    ),
]
_CustomersOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="File or address of the customers.")
]
_NoncustomersOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="File or address of the noncustomers.")
]
_UsageOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="File, folder or address of the usage rows.")
]
_AsOfOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Replay a past week: the day of the export, taken as today."),
]
_CapacityOption = Annotated[int | None, typer.Option(min=1, help="Calls; by default as in the settings.")]
_OutOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write the list to this file or address: CSV, Parquet or .xlsx."),
]
_WithControlsOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="For the analyst: everyone, and how each was drawn."),
]
_PageOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write the page of what lists brought to this file.")
]
_SummaryOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Write a summary to mail: HTML if the name ends in .html, else Markdown."
    ),
]
_RetrainOption = Annotated[
    bool, typer.Option("--retrain", help="Train on the week's data, and promote if the gate passes it.")
]
_ReplaceOption = Annotated[bool, typer.Option("--replace", help="Replace another list of the same week.")]
_ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept with the list.")]


def weekly(
    ctx: typer.Context,
    prospects: _ProspectsArgument = None,
    customers: _CustomersOption = None,
    noncustomers: _NoncustomersOption = None,
    usage: _UsageOption = None,
    table: TablesOption = None,
    as_of: _AsOfOption = None,
    capacity: _CapacityOption = None,
    out: _OutOption = None,
    with_controls: _WithControlsOption = None,
    page: _PageOption = None,
    summary: _SummaryOption = None,
    retrain: _RetrainOption = False,
    replace_other: _ReplaceOption = False,
    reason: _ReasonOption = "",
) -> None:
    """Ingest, monitor, score, hand out, say what lists brought: the same week again changes nothing."""
    from ml_sys import console
    from ml_sys.engine.places import place_of
    from ml_sys.jobs.outcomes.weekly import WeeklyRequest
    from ml_sys.jobs.outcomes.weekly import weekly as the_week
    from ml_sys.views import weekly as views

    if replace_other and not reason.strip():
        raise UsageError("replacing a list that was handed out needs a reason", hint='add --reason "…"')
    tables = places({"customers": customers, "noncustomers": noncustomers, "usage": usage}, table)
    configuration = ctx.obj.load(ingest__files=tables, ingest__as_of=as_of)
    registry = open_registry(configuration.settings)
    asked = WeeklyRequest(
        place_of(prospects),
        capacity,
        place_of(out),
        place_of(with_controls),
        place_of(page),
        place_of(summary),
        retrain,
        replace_other,
        reason,
    )
    with console.steps() as on_step:
        week = the_week(
            registry, configuration, asked, now=now(), on_step=on_step, on_wait=console.note
        )  # fmt: skip
    ctx.obj.show(week, views.week)
    if week.monitoring.alarms:
        raise typer.Exit(ExitCode.ALARM)
    if week.refused:
        raise typer.Exit(ExitCode.GATE_REFUSED)
