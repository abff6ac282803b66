"""The command line: each command parses, calls one use case and shows its result.

Global options may stand anywhere on the line; they are gathered in front before the commands see the rest.
Heavy imports happen inside commands, so that help is instant.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ml_sys.errors import ExitCode, MlsysError, UsageError

if TYPE_CHECKING:
    from ml_sys.configuration import Configuration
    from ml_sys.data.snapshot import Snapshot
    from ml_sys.evaluation.backtest import Backtest
    from ml_sys.registry.store import Registry
    from ml_sys.settings import Settings

DATA, MODELS, SERVICE = "Data", "Model lifecycle", "Lists and service"
_WITH_VALUE = ("--config", "--artifacts", "--set", "--log-level")
_WITHOUT_VALUE = ("--json", "--debug", "--log-json")


@dataclass(frozen=True)
class GlobalOptions:
    """What holds for every command."""

    config_file: Path | None
    artifacts_dir: Path | None
    assignments: tuple[str, ...]
    as_json: bool

    def load(self, **flags: Any) -> Configuration:
        """Read the settings; flags are dotted keys with ``__`` for the dot."""
        from ml_sys.configuration import load

        dotted = {key.replace("__", "."): value for key, value in flags.items()}
        dotted["artifacts_dir"] = self.artifacts_dir
        return load(config_file=self.config_file, flags=dotted, assignments=self.assignments)


class _GlobalsAnywhere(TyperGroup):
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
    config: Annotated[Path | None, typer.Option(help="Settings file instead of conf/mlsys.toml.")] = None,
    artifacts: Annotated[Path | None, typer.Option(help="Folder of snapshots and models.")] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. model.params.max_depth=5."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines.")] = False,
    log_level: Annotated[str, typer.Option(help="Lowest level that is logged, e.g. debug.")] = "",
    version: Annotated[  # noqa: ARG001 - its callback is all it does
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - main reads it
) -> None:
    """Say which free companies will become paying customers in the next 30 days, how sure we are, and why."""
    from ml_sys import logs

    logs.configure(json_lines=log_json, level=log_level)
    ctx.obj = GlobalOptions(config, artifacts, tuple(assign or ()), as_json)


@app.command(rich_help_panel=DATA)
def sample(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where the four files are written.")],
    companies: Annotated[int, typer.Option(min=1, help="Companies generated.")] = 8000,
    weeks: Annotated[int, typer.Option(min=1, help="Length of the usage log.")] = 104,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; by default the setting's.")] = None,
) -> None:
    """Generate the three tables, faults and all, and the true probabilities."""
    from ml_sys import console
    from ml_sys.data import sample as generator

    settings = ctx.obj.load(seed=seed).settings
    with console.counting("companies", companies) as on_progress:
        report = generator.generate(
            folder, companies=companies, weeks=weeks, seed=settings.seed, on_progress=on_progress
        )
    if ctx.obj.as_json:
        console.plain_json(vars(report))
        return
    console.table(
        f"Sample in {report.folder}",
        ("file", "rows"),
        [
            ("customers.csv", f"{report.customers:,}"),
            ("noncustomers.csv", f"{report.noncustomers:,}"),
            ("usage_actions.csv", f"{report.usage_rows:,}"),
            ("truth.csv", f"{report.truth_rows:,}"),
        ],
        caption=f"{report.monthly_rate:.2%} of free companies pay within 30 days; faults put in: "
        + ", ".join(f"{count} {kind}" for kind, count in report.anomalies.items()),
    )


@app.command(rich_help_panel=DATA)
def ingest(
    ctx: typer.Context,
    customers: Annotated[str | None, typer.Option(help="File of the customers.")] = None,
    noncustomers: Annotated[str | None, typer.Option(help="File of the noncustomers.")] = None,
    usage: Annotated[str | None, typer.Option(help="File of the usage rows.")] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Day of the export; by default the latest timestamp.")
    ] = None,
) -> None:
    """Read the three tables, put bad rows into quarantine and store the rest as a snapshot."""
    from ml_sys import console, views
    from ml_sys.data.ingest import ingest as read_tables
    from ml_sys.data.sources import open_source

    settings = ctx.obj.load(
        ingest__customers=customers,
        ingest__noncustomers=noncustomers,
        ingest__usage=usage,
        ingest__as_of=as_of,
    ).settings
    chosen = settings.ingest
    with console.steps() as on_step:
        report = read_tables(
            open_source(chosen.source, database=chosen.database),
            settings.schema_,
            customers=chosen.customers,
            noncustomers=chosen.noncustomers,
            usage=chosen.usage,
            artifacts_dir=settings.artifacts_dir,
            max_rejected_share=chosen.max_rejected_share,
            as_of=chosen.as_of,
            now=_now(),
            on_progress=lambda name, rows: on_step(f"{name}: {rows:,} rows"),
        )
    if ctx.obj.as_json:
        console.plain_json(views.ingested_plain(report))
    else:
        views.ingested(report)


@app.command(rich_help_panel=MODELS)
def train(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Option(help="Version to give it; by default derived from what changed.")
    ] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="What to say of it in the registry.")] = "",
    seed: Annotated[int | None, typer.Option(min=0, help="The one seed.")] = None,
    threads: Annotated[int | None, typer.Option(min=0, help="Threads; 0 takes every core.")] = None,
) -> None:
    """Train a model on the latest snapshot, judge it on the holdout and register it."""
    from ml_sys import console, views
    from ml_sys.registry.creation import train_version

    settings = ctx.obj.load(seed=seed, threads=threads).settings
    snapshot, registry = _snapshot(settings.artifacts_dir), _registry(settings.artifacts_dir)
    with console.steps() as on_step:
        result = train_version(
            registry, snapshot, settings, now=_now(), version=version, message=message, on_step=on_step
        )
    if ctx.obj.as_json:
        console.plain_json(views.trained_plain(result))
    else:
        views.trained(result, settings.bootstrap.confidence)


@app.command(rich_help_panel=MODELS)
def evaluate(
    ctx: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="Version; by default the one in production, or the latest.")
    ] = None,
    backtest: Annotated[bool, typer.Option("--backtest", help="Retrain at past cutoffs instead.")] = False,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First cutoff of the backtest.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last cutoff, inclusive.")] = None,
    every_days: Annotated[int, typer.Option(min=1, help="Days between cutoffs of the backtest.")] = 28,
    truth: Annotated[
        Path | None, typer.Option(help="truth.csv of a sample: say how close the model comes to it.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write the backtest's predictions to this CSV.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the backtest.")] = None,
) -> None:
    """Judge a version on its holdout again, or the settings on past cutoffs."""
    from ml_sys import console, listing, views

    settings = ctx.obj.load(seed=seed).settings
    if backtest:
        if version is not None or truth is not None:
            raise UsageError(
                "a backtest retrains with the settings, not with a version",
                hint="leave VERSION and --truth out",
            )
        days = _day(first, "--from"), _day(last, "--to")
        judged = _backtest(settings, *days, every_days)
        if predictions is not None:
            listing.write_table(judged.predictions, predictions)
        if ctx.obj.as_json:
            console.plain_json(views.backtest_plain(judged))
        else:
            views.backtest(judged, predictions)
        return
    if first or last or predictions:
        raise UsageError("--from, --to and --predictions belong to a backtest", hint="add --backtest")
    from ml_sys.registry.creation import evaluate_version

    registry = _registry(settings.artifacts_dir)
    result = evaluate_version(registry, registry.resolve(version), truth)
    if ctx.obj.as_json:
        console.plain_json(views.reevaluated_plain(result))
    else:
        views.reevaluated(result, settings.bootstrap.confidence)
    if not result.identical:
        raise typer.Exit(ExitCode.FAILED)


@app.command(rich_help_panel=MODELS)
def models(ctx: typer.Context) -> None:
    """List the versions: status, data, changes, metrics."""
    from ml_sys import console, views

    index = _registry(ctx.obj.load().settings.artifacts_dir).read()
    if ctx.obj.as_json:
        console.plain_json(views.models_plain(index))
    else:
        views.models(index)


@app.command(rich_help_panel=MODELS)
def promote(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="Version to put into production, e.g. 1.1.0.")],
) -> None:
    """Put VERSION into production after verifying its files."""
    from ml_sys import console, views

    registry = _registry(ctx.obj.load().settings.artifacts_dir)
    before = registry.promote(version)
    if ctx.obj.as_json:
        console.plain_json({"production": version, "replaced": before})
    elif before == version:
        console.line(f"Version {version} is in production already.")
    else:
        replaced, entry = f" in place of {before}" if before else "", registry.read().versions[version]
        console.line(f"Version {version} is in production{replaced}: {views.headline(entry)}.")


@app.command(rich_help_panel=MODELS)
def rollback(ctx: typer.Context) -> None:
    """Go back to the production version before; again goes further back."""
    from ml_sys import console

    left, now = _registry(ctx.obj.load().settings.artifacts_dir).rollback()
    if ctx.obj.as_json:
        console.plain_json({"production": now, "left": left})
    else:
        console.line(f"Version {now} is in production again, in place of {left}.")


@app.command(rich_help_panel=SERVICE)
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
    from ml_sys import console, listing, views
    from ml_sys.scoring.ranking import plan_capacity

    if keep_order and out is None:
        raise UsageError("--keep-order is about the file that is written", hint="add --out FILE")
    settings = ctx.obj.load(score__top=top).settings
    registry = _registry(settings.artifacts_dir)
    with console.steps() as on_step:
        scored = listing.score_file(
            registry,
            registry.resolve(version),
            settings,
            prospects,
            usage=usage,
            as_of=_day(as_of, "--as-of"),
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


@app.command(rich_help_panel=SERVICE)
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
    from ml_sys.model.artifact import load_model
    from ml_sys.serve.app import create_app

    settings = ctx.obj.load(serve__host=host, serve__port=port).settings
    registry = _registry(settings.artifacts_dir)
    served = registry.resolve(version)
    console.note(
        f"serving version {served} on http://{settings.serve.host}:{settings.serve.port}, Ctrl-C to stop"
    )
    application = create_app(load_model(registry.folder(served)), served)
    uvicorn.run(application, host=settings.serve.host, port=settings.serve.port, log_config=None)


@app.command("config", rich_help_panel="Settings")
def show_config(ctx: typer.Context) -> None:
    """Show every setting's effective value and where it came from."""
    from ml_sys import console, views
    from ml_sys.configuration import effective

    configuration = ctx.obj.load()
    values = effective(configuration.settings)
    if ctx.obj.as_json:
        console.plain_json(
            {key: {"value": value, "origin": configuration.origins[key]} for key, value in values.items()}
        )
    else:
        views.settings(values, configuration.origins)


def main() -> None:
    """Run the command line; an error is two lines on stderr, and a traceback only with ``--debug``."""
    debug = "--debug" in sys.argv or os.environ.get("MLSYS_DEBUG", "") not in {"", "0"}
    try:
        app()
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


def _registry(artifacts_dir: Path) -> Registry:
    from ml_sys.registry.store import Registry

    return Registry(artifacts_dir)


def _snapshot(artifacts_dir: Path) -> Snapshot:
    from ml_sys.data import snapshot

    return snapshot.latest(artifacts_dir)


def _backtest(settings: Settings, first: int | None, last: int | None, every_days: int) -> Backtest:
    from ml_sys import console
    from ml_sys.evaluation import backtest as backtests
    from ml_sys.model.split import Source
    from ml_sys.model.train import spec_from

    source = Source.of(_snapshot(settings.artifacts_dir), settings)
    cutoffs = backtests.backtest_cutoffs(source, first, last, every_days)
    with console.counting("cutoffs", len(cutoffs)) as on_progress:
        return backtests.backtest(source, cutoffs, spec_from(settings), settings, on_progress)


def _now() -> datetime:
    return datetime.now(UTC)


def _day(text: str | None, flag: str) -> int | None:
    """Read a date as days since 1970-01-01."""
    if text is None:
        return None
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError as error:
        raise UsageError(
            f"{flag}: {text!r} is no date", hint="write YYYY-MM-DD, for example 2020-01-06"
        ) from error
