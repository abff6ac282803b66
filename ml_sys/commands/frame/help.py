"""Help pages: panels of options and of commands, drawn without rich.

Typer's own pages look like these, but their module imports rich's Markdown and tracebacks as well, which
takes longer than all else that `mlsys --help` does.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ml_sys.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Row = tuple[str, ...]

_COLORS = ("cyan", "yellow")  # of a row's first cells; its text has none
_LEAST_TEXT = 24  # columns; a terminal with less room has the text below what it explains
_FRAME, _GAP = 4, 2
_CORNERS = str.maketrans("╭╮╰╯─│", "++++-|")  # for terminals without the others


class _Page:
    """Writes the page of a command or of a group."""

    def format_help(self: Any, ctx: Any, formatter: Any) -> None:
        """Write usage, help, and panels of arguments, options and commands."""
        width = shutil.get_terminal_size().columns
        formatter.write(f"\n {_styled('Usage:', 'yellow')}{self.get_usage(ctx).removeprefix('Usage:')}\n\n")
        formatter.write(_indented(self.help, width))
        for title, rows in _panels(self, ctx):
            formatter.write(_panel(title, rows, width))
        formatter.write(_indented(self.epilog, width, before="\n"))


class HelpfulCommand(_Page, TyperCommand):
    """A command with our help page."""


class HelpfulGroup(_Page, TyperGroup):
    """A group of commands with our help page, which it shows on stderr where no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, or show the page if there are none."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)


def _panels(command: Any, ctx: Any) -> Iterator[tuple[str, list[Row]]]:
    """Return the title and the rows of each panel."""
    shown: dict[str, list[Row]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            shown[kind].append((*_names_and_type(record[0]), record[1]))
    if isinstance(command, TyperGroup):
        for name in command.list_commands(ctx):
            one = command.get_command(ctx, name)
            if one is not None and not one.hidden:
                panel = getattr(one, "rich_help_panel", None) or "Commands"
                first = " ".join((one.help or "").split("\n\n")[0].split())
                shown.setdefault(panel, []).append((name, first))
    return ((title, rows) for title, rows in shown.items() if rows)


def _names_and_type(record: str) -> tuple[str, str]:
    """Split "-m, --message <str>" into what is typed and what it takes."""
    words = record.split(" ")
    names = next((at for at, word in enumerate(words) if at and word[:1] not in {"-", "/"}), len(words))
    return " ".join(words[:names]), " ".join(words[names:])


def _panel(title: str, rows: Sequence[Row], width: int) -> str:
    """Draw a titled frame around rows whose last cell is text that may be long."""
    columns = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    if columns[-1] == 0:  # no option takes a value
        columns.pop()
    left = sum(size + _GAP for size in columns)
    inner = width - _FRAME
    below = inner - left < _LEAST_TEXT
    lines = []
    for *cells, text in rows:
        plain = "".join(cell.ljust(size + _GAP) for cell, size in zip(cells, columns, strict=False))
        colored = "".join(
            _styled(cell, color) + " " * (size + _GAP - len(cell))
            for cell, size, color in zip(cells, columns, _COLORS, strict=False)
        )
        wrapped = textwrap.wrap(text, max(inner - (2 if below else left), 1)) or [""]
        if below:
            lines.append((plain.rstrip(), colored.rstrip()))
            lines += [(f"  {line}",) * 2 for line in wrapped]
        else:
            lines.append((plain + wrapped[0], colored + wrapped[0]))
            lines += [(" " * left + line,) * 2 for line in wrapped[1:]]
    side = _styled("│")
    top = _styled(f"╭─ {title} " + "─" * (inner - len(title) - 1) + "╮")
    body = "".join(f"{side} {shown}{' ' * (inner - len(plain))} {side}\n" for plain, shown in lines)
    drawn = f"{top}\n{body}{_styled('╰' + '─' * (inner + 2) + '╯')}\n"
    return drawn if (sys.stdout.encoding or "").lower().startswith("utf") else drawn.translate(_CORNERS)


def _indented(text: str | None, width: int, *, before: str = "") -> str:
    paragraphs = [" ".join(one.split()) for one in (text or "").split("\n\n") if one.strip()]
    filled = [textwrap.fill(one, width - 2) for one in paragraphs]
    return "".join(f"{before}{textwrap.indent(one, ' ')}\n\n" for one in filled)


def _styled(text: str, color: str | None = None) -> str:
    """Color text, or dim it; output that is not a terminal strips this again."""
    if "NO_COLOR" in os.environ:
        return text
    return typer.style(text, fg=color, bold=color == "cyan", dim=color is None) if text else text
