"""Writes the settings tree as the TOML file and the table of the manual that document it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from ml_sys.settings.tree import ESTIMATOR_KEY, Settings, effective, entries, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def as_changes(settings: Settings, head: Sequence[str]) -> str:
    """Return a settings file of what differs from the defaults, below lines that say where it comes from."""
    lines, table = ["".join(f"# {line}\n" for line in head)], ""
    defaults = entries(Settings.model_validate({"model": {"estimator": settings.model.estimator}}))
    defaults[ESTIMATOR_KEY] = Settings().model.estimator
    # Keys without a group come first in TOML, and those of a group together.
    found = [one for one in entries(settings).items() if defaults.get(one[0]) != one[1]]
    for key, value in sorted(found, key=lambda one: one[0].rpartition(".")[0]):
        group, _, name = key.rpartition(".")
        if group != table:
            lines.append(f"\n[{group}]\n")
            table = group
        lines.append(f"{tomlkit.key(name).as_string()} = {literal(value)}\n")
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
