"""Commands that put a version to work: a ranked list, or predictions over HTTP."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_sys.commands.context import GlobalOptions, now, open_registry, parse_day
from ml_sys.commands.help import HelpfulCommand, HelpfulGroup
from ml_sys.errors import StorageError, UsageError

if TYPE_CHECKING:
    from ml_sys.registry.store import Registry


def score(
    ctx: typer.Context,
    prospects: Annotated[
        Path, typer.Argument(help="Noncustomers-like file, or one with ready feature columns.")
    ],
    usage: Annotated[
        Path | None, typer.Option(help="Usage rows; by default those of the latest snapshot.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Cutoff; by default the end of covered usage.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the whole list to this CSV or Parquet file.")
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Rows shown; alone or beside --out.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Version; by default the one in production, or the latest.")
    ] = None,
    capacity: Annotated[
        int | None, typer.Option(min=1, help="Calls a week: say what they are expected to bring.")
    ] = None,
    keep_order: Annotated[
        bool, typer.Option("--keep-order", help="Write --out in the order of the prospects.")
    ] = False,
    reasons: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Say why: up to N reasons for each company.")
    ] = None,
    reasons_top: Annotated[
        int | None,
        typer.Option(min=0, help="Companies that reasons are given for; by default as many as the capacity."),
    ] = None,
    cooldown_weeks: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="K",
            help="Put companies behind that were listed in the last K weeks; remembers this list, too.",
        ),
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="Remember who is listed, for a later --cooldown-weeks.")
    ] = False,
) -> None:
    """Rank prospects by their probability of paying within the horizon."""
    from ml_sys import console
    from ml_sys.jobs import score as listing
    from ml_sys.scoring.ranking import plan_capacity
    from ml_sys.views import score as views

    if keep_order and out is None:
        raise UsageError("--keep-order is about the file that is written", hint="add --out FILE")
    settings = ctx.obj.load(
        score__top=top,
        score__reasons=reasons,
        score__reasons_top=reasons_top,
        score__cooldown_weeks=cooldown_weeks,
        score__remember=remember or None,
    ).settings
    calls = settings.threshold.capacity if capacity is None else capacity
    registry = open_registry(settings)
    with console.steps() as on_step:
        scored = listing.score_file(
            registry,
            registry.resolve(version),
            settings,
            prospects,
            usage=usage,
            as_of=parse_day(as_of, "--as-of"),
            capacity=calls,
            on_step=on_step,
            now=now(),
        )
    plan = worth = None
    if capacity is not None:
        plan = plan_capacity(scored.table["probability"].to_numpy(), capacity, settings.bootstrap.confidence)
        worth = listing.worth_of_top(scored, capacity, settings)
    if out is not None:
        listing.write_table(scored.table.iloc[scored.input_order] if keep_order else scored.table, out)
    remembered, forgotten = None, None
    if settings.score.remember or settings.score.cooldown_weeks:
        try:
            remembered = listing.remember_list(scored, settings.artifacts_dir, calls)
        except StorageError as error:  # the list is there and is shown first; a later cool-down misses it
            forgotten = StorageError(f"the list is not remembered: {error.message}", hint=error.hint)
    kept, unkept = listing.keep_rejects(scored, settings.artifacts_dir)
    if unkept:
        console.warn(f"rows that were not taken are not kept either: {unkept}")
    shown = settings.score.top if out is None or top is not None else 0
    if ctx.obj.as_json:
        console.plain_json(views.scored_plain(scored, plan, out, kept, remembered, shown, worth))
    else:
        views.scored(scored, plan, out, kept, remembered, shown, worth)
    if forgotten is not None:
        raise forgotten


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that answer.")] = None,
    version: Annotated[
        str | None,
        typer.Option(envvar="MLSYS_MODEL_VERSION", help="Serve this version alone; by default production's."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on any address without an API key.")
    ] = False,
) -> None:
    """Serve predictions over HTTP; a promotion or rollback reaches the service as it runs."""
    from ml_sys import console
    from ml_sys.serve import server

    settings = ctx.obj.load(
        serve__host=host, serve__port=port, serve__workers=workers, serve__insecure=insecure or None
    ).settings
    chosen = settings.serve
    server.check_exposure(chosen.host, has_keys=bool(chosen.api_keys), insecure=chosen.insecure)
    registry = open_registry(settings)
    served = registry.resolve(version) if version else registry.read().production
    sink, problem = server.open_sink(settings)
    if sink is not None:  # whether it can be used is better known now than in a worker
        sink.close()
    with server.listen(chosen.host, chosen.port) as listening:
        shown = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        where = f"http://{shown}:{listening.getsockname()[1]}, Ctrl-C to stop"
        console.note(f"serving version {served} on {where}" if served else f"serving on {where}")
        if problem:
            console.warn(
                f"predictions are given and not kept, since the log cannot be written: {problem} "
                "(let this user write there, or set serve.prediction_log_path; then start again)"
            )
        if served is None:
            console.warn("no version is in production: /ready and every prediction get 503 until one is")
            console.note(f"{_how_to_get_one(ctx.obj, registry)}; this server takes it at once")
        application = server.Application(
            settings, version, logging=(ctx.obj.log_json, ctx.obj.log_level) if chosen.workers > 1 else None
        )
        server.run(listening, application)


def _how_to_get_one(given: GlobalOptions, registry: Registry) -> str:
    """Say which commands put a first version into production."""
    from ml_sys.data import snapshot
    from ml_sys.registry.index import latest

    versions = registry.read()
    steps = [] if versions.versions or snapshot.exists(registry.root) else ["mlsys ingest"]
    steps += [] if versions.versions else ["mlsys train"]
    steps.append(f"mlsys promote {latest(versions) if versions.versions else '1.0.0'}")
    where = "" if given.artifacts_dir is None else f" --artifacts {shlex.quote(str(given.artifacts_dir))}"
    return "in another terminal: " + ", then ".join(step + where for step in steps)


keys_app = typer.Typer(cls=HelpfulGroup, no_args_is_help=True, help="Keys that callers of the service show.")


@keys_app.command(cls=HelpfulCommand)
def new(ctx: typer.Context) -> None:
    """Make an API key: shown once, for its user; the settings get its digest."""
    from ml_sys import console
    from ml_sys.serve.http.keys import new_key

    key, digest = new_key()
    if ctx.obj.as_json:
        console.plain_json({"key": key, "digest": digest})
        return
    console.line(key)
    console.note(f"Give the key to its user; it is not kept. Add its digest to serve.api_keys:\n  {digest}")
