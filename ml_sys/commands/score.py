"""The command that ranks prospects."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from ml_sys.commands.frame.context import now, open_registry
from ml_sys.commands.frame.options import VersionOption
from ml_sys.commands.frame.tables import TablesOption, places
from ml_sys.days import parse_day
from ml_sys.errors import UsageError

_ProspectsArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        help="File or address of a table like the noncustomers, or with ready feature columns; by default "
        "all free companies of the latest snapshot.",
    ),
]
_UsageOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Usage rows of one table; by default those of the latest snapshot."),
]
_AsOfOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="Cutoff; by default the end of covered usage.")
]
_OutOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write the whole list, here or to an address: CSV, Parquet or .xlsx."),
]
_TopOption = Annotated[int | None, typer.Option(min=1, help="Rows to show, with or without --out.")]
_CapacityOption = Annotated[
    int | None, typer.Option(min=1, help="Calls a week: show what they should bring.")
]
_KeepOrderOption = Annotated[
    bool, typer.Option("--keep-order", help="Write --out in the order of the prospects.")
]
_ReasonsOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Say why: up to N reasons for each prospect.")
]
_ReasonsTopOption = Annotated[
    int | None,
    typer.Option(min=0, help="Prospects to give reasons for; by default as many as the capacity."),
]
_CooldownOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="K",
        help="Put prospects at the end that were to be called in the last K weeks.",
    ),
]
_HandOutOption = Annotated[
    bool,
    typer.Option("--hand-out", help="Record the list as handed out; the same again changes nothing."),
]
_ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="With --hand-out: replace another list of the same day.")
]
_WithControlsOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="With --hand-out, for the analyst: everyone, and how each was drawn."),
]
_RuleOption = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="Rank by a simple rule, without a model: users, actions, amount, recency, newest.",
    ),
]
_ReplaceReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept with the list.")]


def score(
    ctx: typer.Context,
    prospects: _ProspectsArgument = None,
    usage: _UsageOption = None,
    as_of: _AsOfOption = None,
    out: _OutOption = None,
    top: _TopOption = None,
    version: VersionOption = None,
    capacity: _CapacityOption = None,
    keep_order: _KeepOrderOption = False,
    reasons: _ReasonsOption = None,
    reasons_top: _ReasonsTopOption = None,
    cooldown_weeks: _CooldownOption = None,
    hand_out: _HandOutOption = False,
    replace_other: _ReplaceOption = False,
    reason: _ReplaceReasonOption = "",
    with_controls: _WithControlsOption = None,
    rule: _RuleOption = None,
    table: TablesOption = None,
) -> None:
    """Rank prospects by their probability of paying within the horizon."""
    from ml_sys import console
    from ml_sys.engine.places import place_of
    from ml_sys.jobs.lists.by_rule import rank
    from ml_sys.jobs.lists.listed import ListRequest
    from ml_sys.views import score as views

    if keep_order and out is None:
        raise UsageError("--keep-order needs a file to write", hint="add --out FILE")
    settings = ctx.obj.load(
        score__top=top,
        score__reasons=reasons,
        score__reasons_top=reasons_top,
        score__cooldown_weeks=cooldown_weeks,
        score__hand_out=hand_out or None,
    ).settings
    if with_controls is not None and not settings.score.hand_out:
        raise UsageError("--with-controls needs a list that is handed out", hint="add --hand-out")
    if replace_other and not (settings.score.hand_out and reason.strip()):
        raise UsageError(
            "replacing a list that was handed out needs a reason", hint='add --hand-out --reason "…"'
        )
    tables = places({}, table)
    if tables and usage is not None:
        raise UsageError("--usage and --table both say where usage is", hint="leave out one of them")
    asked = ListRequest(
        place_of(prospects),
        tables or place_of(usage),
        parse_day(as_of, "--as-of"),
        capacity,
        place_of(out),
        keep_order,
        with_controls=place_of(with_controls),
        replace_other=replace_other,
        reason=reason,
        rule=rule or "",
    )
    if rule and version is not None:
        raise UsageError("--rule ranks without a model", hint="leave out --rule or --version")
    shown = settings.score.top if out is None or top is not None else 0
    with console.steps() as on_step:
        result = rank(open_registry(settings), version, settings, asked, on_step=on_step, now=now())
    if result.unkept:
        console.warn(f"rejected rows could not be written: {result.unkept}")
    ctx.obj.show(replace(result, shown=shown), views.scored)
    if result.unrecorded is not None:
        raise result.unrecorded
