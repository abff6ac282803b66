"""How results, notes and errors reach a person: results on stdout, everything else on stderr.

Whatever is printed is printed as text: no character of an id or a name reaches the terminal as a command.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from ml_sys.text import visible, visible_json

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ml_sys.errors import MlsysError

_LINES = "\n"  # our own sentences may have several
# Width of tables that go to a file or a pipe, where there is no terminal to ask.
_PLAIN_WIDTH = 120
_BORDER = 3  # characters between the cells of two columns
# Seconds from which a remaining time is told in minutes.
_MINUTES_FROM = 100


def stdout() -> Console:
    """Return the console of results."""
    return _console(stderr=False)


def stderr() -> Console:
    """Return the console of notes, progress and errors."""
    return _console(stderr=True)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: int = 1,
    texts: Collection[str] = (),
    whole: Collection[str] = (),
    caption: str = "",
) -> None:
    """Print a table; the first ``left`` columns and those in ``texts`` are texts, the others numbers.

    Cells of ``texts`` may have several lines; those of ``whole`` are never broken.
    """
    grid = Table()
    for at, name in enumerate(columns):
        grid.add_column(
            visible(name),
            justify="left" if at < left or name in texts else "right",
            overflow="fold",
            no_wrap=name in whole,
        )
    lines = ["\n" if name in texts else "" for name in columns]
    for row in rows:
        cells = ("–" if cell is None else str(cell) for cell in row)
        grid.add_row(*(Text(visible(cell, keep)) for cell, keep in zip(cells, lines, strict=True)))
    console = stdout()
    console.print(Text(visible(title), style="bold"), soft_wrap=True)
    console.print(grid)
    if caption:
        console.print(Text(visible(caption), style="dim"), soft_wrap=True)


def fits(columns: Sequence[str], rows: Iterable[Sequence[object]], beside: int) -> bool:
    """Tell whether a table has room for one more column of a width; headers may be broken between words."""
    texts = [
        [max(visible(name).split(), key=len), *cells] for name, *cells in zip(columns, *rows, strict=True)
    ]
    needed = sum(max(len(visible(str(cell))) for cell in column) for column in texts) + beside
    return needed + _BORDER * (len(columns) + 1) + 1 <= stdout().width


def line(text: str = "") -> None:
    """Print a line of a result."""
    stdout().print(Text(visible(text, _LINES)), soft_wrap=True)


def plain_json(content: Any) -> None:
    """Print a result as JSON."""
    text = json.dumps(content, allow_nan=False, default=str, indent=2, ensure_ascii=False)
    stdout().print(Text(visible_json(text)), soft_wrap=True)


def note(text: str) -> None:
    """Print something worth knowing that is not a result."""
    stderr().print(Text(visible(text, _LINES), style="dim"), soft_wrap=True)


def warn(text: str) -> None:
    """Print something to look into."""
    stderr().print(Text.assemble(("warning: ", "yellow"), visible(text)), soft_wrap=True)


def error(problem: MlsysError) -> None:
    """Print an error as two lines: what is wrong and where, what to do."""
    stderr().print(Text.assemble(("error: ", "bold red"), visible(problem.message, _LINES)), soft_wrap=True)
    if problem.hint:
        stderr().print(Text(visible(f"  {problem.hint}", _LINES)), soft_wrap=True)


@contextmanager
def steps(
    plan: Mapping[str, float] | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[..., None]]:
    """Show which step is being done and, with a plan, about how long all take; nothing without a terminal.

    Parameters
    ----------
    plan : mapping of str to float, optional
        How each step's time compares with that of the others, in the order in which they are done.
    clock : callable
        Returns seconds since any instant.

    Yields
    ------
    callable
        Takes what is being done, which begins with the step's name, and optionally the share of the step that
        is done already. Steps that are not planned take no time of the plan.
    """
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), _TimeLeft()
    with _progress(*columns, clock=clock) as progress:
        task = progress.add_task("", total=None, share=0.0, at=0.0)

        def on_step(what: str, done: float = 0.0) -> None:
            share = share_done(plan or {}, what, done)
            known: dict[str, Any] = (
                {} if share is None else {"share": share, "at": progress.tasks[0].elapsed or 0.0}
            )
            progress.update(task, description=what, **known)

        yield on_step


def share_done(plan: Mapping[str, float], what: str, done: float) -> float | None:
    """Return which share of a plan's time is over within a step; None for a step that is not planned."""
    meant = max((step for step in plan if what.startswith(step)), key=len, default=None)
    if meant is None:
        return None
    before = sum(plan[step] for step in list(plan)[: list(plan).index(meant)])
    return (before + done * plan[meant]) / sum(plan.values())


def time_left(share: float, at: float, elapsed: float) -> str:
    """Say about how long it takes yet; empty where that is not known.

    Parameters
    ----------
    share : float
        Of all the time, as much was over ``at`` seconds from the start.
    at, elapsed : float
        Seconds from the start, then and now.
    """
    left = at / share - elapsed if share > 0 else 0.0
    if left < 1:
        return ""
    return f"about {left:.0f} s left" if left < _MINUTES_FROM else f"about {left / 60:.0f} min left"


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show how much is done, of how much, and what, which both may change; nothing without a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with _progress(*columns) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done, total=total, what=what: progress.update(
            task, completed=done, total=total, description=what
        )


class _TimeLeft(ProgressColumn):
    """About how long a plan takes yet."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = time_left(task.fields["share"], task.fields["at"], task.elapsed or 0.0)
        return Text(left, style="progress.remaining")


def _progress(*columns: ProgressColumn, clock: Callable[[], float] = time.monotonic) -> Progress:
    console = stderr()
    return Progress(
        *columns, console=console, get_time=clock, transient=True, disable=not console.is_terminal
    )


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PLAIN_WIDTH)
