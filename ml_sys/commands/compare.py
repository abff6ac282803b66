"""Commands that make past lists again, with one setting or with two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_sys.commands.context import GlobalOptions, latest_snapshot, open_registry, parse_day
from ml_sys.errors import UsageError

if TYPE_CHECKING:
    from ml_sys.experiments.backtest import Backtest
    from ml_sys.metrics.scored_lists import ScoredLists
    from ml_sys.settings import Settings

FirstOption = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="First list of the backtest.")
]
LastOption = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last list, inclusive.")]
EveryOption = Annotated[int | None, typer.Option(min=1, help="Days between lists of the backtest.")]
RetrainOption = Annotated[int | None, typer.Option(min=1, help="Days after which the model is retrained.")]
JobsOption = Annotated[int | None, typer.Option(min=0, help="Processes side by side; 0 takes one per core.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Seed of the backtest.")]


def compare(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="A TOML file of settings, or a version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    first: FirstOption = None,
    last: LastOption = None,
    every_days: EveryOption = None,
    retrain_days: RetrainOption = None,
    jobs: JobsOption = None,
) -> None:
    """Say whether the settings B make better lists than A on past dates, and how sure that is."""
    from ml_sys import console
    from ml_sys.experiments.backtest import compare_lists
    from ml_sys.views import compare as views

    base = load_settings(ctx, every_days, retrain_days, jobs)
    sides = [at_dates_of(base, _side(ctx.obj, name, base)) for name in (a, b)]
    if sides[0].label != sides[1].label or sides[0].usage != sides[1].usage:
        raise UsageError(
            f"{a} and {b} do not predict the same: [label] or [usage] differ",
            hint="compare settings that agree in both",
        )
    days = parse_day(first, "--from"), parse_day(last, "--to")
    one, other = _lists_of(base.artifacts_dir, sides, days)
    paired = compare_lists(other, one, base.bootstrap, base.seed)
    differing = views.differing(*sides)
    if ctx.obj.as_json:
        console.plain_json(views.compared_plain(a, b, differing, paired, other))
    else:
        views.compared(a, b, differing, paired, other)


def ablate(
    ctx: typer.Context,
    groups: Annotated[
        list[str] | None, typer.Argument(help="Groups or features to leave out; by default each group.")
    ] = None,
    first: FirstOption = None,
    last: LastOption = None,
    every_days: EveryOption = None,
    retrain_days: RetrainOption = None,
    jobs: JobsOption = None,
) -> None:
    """Say what each group of features adds: past lists with it and without it."""
    from ml_sys import console
    from ml_sys.experiments.ablation import Ablation, groups_of, without
    from ml_sys.experiments.backtest import compare_lists
    from ml_sys.views import compare as views

    settings = load_settings(ctx, every_days, retrain_days, jobs)
    sizes = groups_of(settings, groups or [])
    days = parse_day(first, "--from"), parse_day(last, "--to")
    whole, *reduced = _lists_of(
        settings.artifacts_dir, [settings, *(without(settings, name) for name in sizes)], days
    )
    found = [
        Ablation(name, size, compare_lists(whole, left, settings.bootstrap, settings.seed))
        for (name, size), left in zip(sizes.items(), reduced, strict=True)
    ]
    if ctx.obj.as_json:
        console.plain_json(views.ablated_plain(found, whole))
    else:
        views.ablated(found, whole)


def load_settings(
    ctx: typer.Context, every_days: int | None, retrain_days: int | None, jobs: int | None, **flags: object
) -> Settings:
    """Read the settings under the flags that commands with past lists share, and some of their own."""
    settings: Settings = ctx.obj.load(
        backtest__every_days=every_days,
        backtest__retrain_days=retrain_days,
        backtest__jobs=jobs,
        **flags,
    ).settings
    return settings


def run_backtest(settings: Settings, first: str | None, last: str | None) -> Backtest:
    """Run a backtest of the latest snapshot with a progress bar, remembering what it makes."""
    from ml_sys import console
    from ml_sys.experiments.backtest import backtest
    from ml_sys.experiments.cache import TermStore
    from ml_sys.experiments.schedule import plan_terms
    from ml_sys.model.split import Source

    snapshot = latest_snapshot(settings.artifacts_dir)
    terms = plan_terms(
        Source.of(snapshot, settings).timeline,
        settings,
        first=parse_day(first, "--from"),
        last=parse_day(last, "--to"),
    )
    store = TermStore(settings.artifacts_dir, snapshot.id, settings, plain=True)
    with console.counting("lists", sum(len(term.cutoffs) for term in terms)) as on_progress:
        return backtest(snapshot, terms, settings, store=store, on_progress=on_progress)


def _lists_of(
    artifacts_dir: Path, sides: list[Settings], days: tuple[int | None, int | None]
) -> list[ScoredLists]:
    """Make the lists of each settings on the same days, with one progress bar over all."""
    from ml_sys import console
    from ml_sys.experiments.backtest import joined_lists, make_lists
    from ml_sys.experiments.cache import TermStore
    from ml_sys.experiments.schedule import plan_terms
    from ml_sys.model.split import Source

    snapshot = latest_snapshot(artifacts_dir)
    plans = [plan_terms(Source.of(snapshot, one).timeline, one, first=days[0], last=days[1]) for one in sides]
    terms = max(plans, key=lambda plan: plan[0].trained)  # where each has enough to learn from
    lists = sum(len(term.cutoffs) for term in terms)
    made = []
    with console.counting("lists", lists * len(sides)) as on_progress:
        for at, settings in enumerate(sides):
            store = TermStore(artifacts_dir, snapshot.id, settings, plain=False)

            def told(done: int, before: int = at * lists) -> None:
                on_progress(before + done)

            found, _ = make_lists(snapshot, terms, settings, store=store, plain=False, on_progress=told)
            made.append(joined_lists(snapshot, found))
    return made


def at_dates_of(base: Settings, side: Settings) -> Settings:
    """Make the same lists with both sides; what each learns from is its own."""
    backtest = base.backtest.model_copy(update={"window": side.backtest.window})
    return side.model_copy(update={"backtest": backtest})


def _side(options: GlobalOptions, name: str, base: Settings) -> Settings:
    """Read the settings that a TOML file or a version stands for."""
    if Path(name).suffix.lower() == ".toml":
        return replace(options, config_file=Path(name)).load().settings
    from ml_sys.model.files.serialization import read_settings

    registry = open_registry(base)
    return read_settings(registry.open(registry.resolve(name)))
