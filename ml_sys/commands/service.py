"""Commands that put a version to work: a ranked list, or predictions over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_sys.commands.context import open_registry, parse_day
from ml_sys.errors import UsageError


def score(
    ctx: typer.Context,
    prospects: Annotated[
        Path, typer.Argument(help="Noncustomers-like file, or one with ready feature columns.")
    ],
    usage: Annotated[
        Path | None, typer.Option(help="Usage rows; by default those of the latest snapshot.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Cutoff; by default the end of the usage.")
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
) -> None:
    """Rank prospects by their probability of paying within the horizon."""
    from ml_sys import console, listing
    from ml_sys.scoring.ranking import plan_capacity
    from ml_sys.views import scoring as views

    if keep_order and out is None:
        raise UsageError("--keep-order is about the file that is written", hint="add --out FILE")
    settings = ctx.obj.load(score__top=top).settings
    registry = open_registry(settings)
    with console.steps() as on_step:
        scored = listing.score_file(
            registry,
            registry.resolve(version),
            settings,
            prospects,
            usage=usage,
            as_of=parse_day(as_of, "--as-of"),
            on_step=on_step,
        )
    plan = None
    if capacity is not None:
        plan = plan_capacity(scored.table["probability"].to_numpy(), capacity, settings.bootstrap.confidence)
    if out is not None:
        listing.write_table(scored.table.iloc[scored.input_order] if keep_order else scored.table, out)
    kept = listing.keep_rejects(scored, settings.artifacts_dir)
    shown = settings.score.top if out is None or top is not None else 0
    if ctx.obj.as_json:
        console.plain_json(views.scored_plain(scored, plan, out, kept, shown))
    else:
        views.scored(scored, plan, out, kept, shown)


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = None,
    version: Annotated[
        str | None,
        typer.Option(envvar="MLSYS_MODEL_VERSION", help="Version; by default the one in production."),
    ] = None,
) -> None:
    """Serve predictions over HTTP."""
    import uvicorn

    from ml_sys import console
    from ml_sys.model.contents import GOLDEN
    from ml_sys.registry.loading import built
    from ml_sys.serve.app import create_app

    settings = ctx.obj.load(serve__host=host, serve__port=port).settings
    registry = open_registry(settings)
    served = registry.resolve(version)
    console.note(
        f"serving version {served} on http://{settings.serve.host}:{settings.serve.port}, Ctrl-C to stop"
    )
    artifact = registry.open(served)
    application = create_app(built(registry, artifact), served, artifact.json(GOLDEN))
    uvicorn.run(application, host=settings.serve.host, port=settings.serve.port, log_config=None)
