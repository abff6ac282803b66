"""Writes the settings tree as the TOML file and the README table that document it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from ml_sys.configuration import effective, leaves
from ml_sys.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = (
    "# Every setting of mlsys with its default. What is left out here keeps its default.\n"
    "# Flags come before environment variables (MLSYS_MODEL__MAX_TREES=300), and those before this file.\n\n"
)


def as_toml() -> str:
    """Return a settings file that holds every key with its default and a line on what it does."""
    lines, table = [_HEAD], ""
    for key, value, description in _documented():
        group, _, name = key.rpartition(".")
        if group != table:
            lines.append(f"\n[{group}]\n")
            table = group
        lines.append(f"# {description}\n{name} = {literal(value)}\n")
    return "".join(lines)


def as_markdown() -> str:
    """Return the same as a Markdown table."""
    rows = [f"| `{key}` | `{literal(value)}` | {description} |" for key, value, description in _documented()]
    return "\n".join(["| key | default | what it does |", "|---|---|---|", *rows])


def literal(value: Any) -> str:
    """Return a value as a settings file writes it, on one line."""
    if isinstance(value, dict):
        entries = ", ".join(f"{tomlkit.key(key).as_string()} = {literal(one)}" for key, one in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(one) for one in value) + "]"
    return str(tomlkit.item(value).as_string())


def _documented() -> Iterator[tuple[str, Any, str]]:
    defaults = effective(Settings())
    for key, field in leaves():
        yield key, defaults[key], field.description
