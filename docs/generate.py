"""Write the files that follow from the code: conf/mlsys.toml, presets, the pages of commands and settings.

``make generate`` runs this, and a test fails when a file differs from what this would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ml_sys.cli import app
from ml_sys.settings.description import PRESETS
from ml_sys.settings.loading import DEFAULT_FILE
from ml_sys.settings.writing import as_markdown, as_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[1]
# The help of every command says the same of these.
_COMMON = {"--help", "--install-completion", "--show-completion"}


def generated() -> dict[Path, str]:
    """Return the text of each generated file; a page keeps what stands around its generated part."""
    pages = {"commands": commands(), "settings": as_markdown()}
    files = {PROJECT / DEFAULT_FILE: as_toml()}
    for path in PRESETS.glob("*.toml"):
        files[PROJECT / "conf" / "presets" / path.name] = path.read_text(encoding="utf-8")
    for name, text in pages.items():
        page = PROJECT / "docs" / f"{name}.md"
        before, begin, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name}: begin -->\n")
        _, end, after = rest.partition(f"<!-- {name}: end -->")
        files[page] = f"{before}{begin}{text.strip()}\n{end}{after}"
    return files


def commands() -> str:
    """Return a Markdown section for the global options and each command, grouped as in ``mlsys --help``."""
    program = typer.main.get_command(app)
    context = typer.Context(program, info_name="mlsys")
    panels: dict[str, list[str]] = {}
    for command, own in _subcommands(program, context):
        panels.setdefault(command.rich_help_panel, []).extend(_sections(command, own))
    lines = ["## Options of every command", "", *_table(program, context)]
    for panel, sections in panels.items():
        lines += [f"## {panel}", "", *sections]
    return "\n".join(lines)


def _sections(command: Any, context: typer.Context) -> Iterator[str]:
    """Give the lines of a command's section and of those of its subcommands."""
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield from (f"### {context.command_path}", "", command.help, "", "```text", usage, "```", "")
    yield from _table(command, context)
    for subcommand, own in _subcommands(command, context):
        yield from _sections(subcommand, own)


def _subcommands(command: Any, context: typer.Context) -> list[tuple[Any, typer.Context]]:
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    found = [command.get_command(context, name) for name in names]
    return [(one, typer.Context(one, info_name=one.name, parent=context)) for one in found]


def _table(command: Any, context: typer.Context) -> list[str]:
    """Return the table of what a command takes, or nothing."""
    records = [
        parameter.get_help_record(context)
        for parameter in command.get_params(context)
        if not _COMMON & {*parameter.opts}
    ]
    cells = [[text.replace("|", r"\|") for text in (f"`{typed}`", said)] for typed, said in records]
    rows = [f"| {typed} | {said} |" for typed, said in cells]
    return ["| option | what it does |", "|---|---|", *rows, ""] if rows else []


if __name__ == "__main__":
    for file, text in generated().items():
        file.write_text(text, encoding="utf-8")
