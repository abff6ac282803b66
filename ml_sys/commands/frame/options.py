"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

SeedOption = Annotated[int | None, typer.Option(min=0, help="Seed of everything that is random.")]
ThreadsOption = Annotated[int | None, typer.Option(min=0, help="Threads; 0 takes every core.")]
VersionArgument = Annotated[
    str | None, typer.Argument(help="Version; by default the one in production, or the latest.")
]
VersionOption = Annotated[
    str | None, typer.Option(help="Version; by default the one in production, or the latest.")
]

# Of past lists.
FirstOption = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="First list of the backtest.")
]
LastOption = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last list, inclusive.")]
EveryOption = Annotated[int | None, typer.Option(min=1, help="Days between lists of the backtest.")]
RetrainOption = Annotated[int | None, typer.Option(min=1, help="Days after which the model is retrained.")]
JobsOption = Annotated[
    int | None, typer.Option(min=0, help="Parallel processes; 0: as many as cores and memory allow.")
]
