"""Writes the settings tree as the TOML file and the table of the manual that document it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from ml_sys.settings.description import DEFAULT_PRESET
from ml_sys.settings.tree import DESCRIBED, ESTIMATOR_KEY, Settings, effective, entries, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PRESET = f"conf/presets/{DEFAULT_PRESET}.toml"
_HEAD = (
    "# Every setting of mlsys with its default. What is left out here keeps its default.\n"
    "# Flags come before environment variables (MLSYS_MODEL__MAX_TREES=300), and those before this file.\n\n"
)


def as_toml() -> str:
    """Return a settings file that holds every key with its default and a line on what it does.

    What comes from a preset is only named: its file shows it.
    """
    lines, table = [_HEAD], ""
    for key, value, description in _documented():
        group, _, name = key.rpartition(".")
        if group != table:
            lines.append(f"\n[{group}]\n")
            table = group
        shown = f"# {name}: as in {_PRESET}" if key in DESCRIBED else f"{name} = {literal(value)}"
        lines.append(f"# {description}\n{shown}\n")
    return "".join(lines)


def as_changes(settings: Settings, head: Sequence[str]) -> str:
    """Return a settings file of what differs from the defaults, below lines that say where it comes from."""
    lines, table = ["".join(f"# {line}\n" for line in head)], ""
    defaults = entries(Settings.model_validate({"model": {"estimator": settings.model.estimator}}))
    defaults[ESTIMATOR_KEY] = Settings().model.estimator
    values = entries(settings)
    # A description replaces the default one whole, so that all of it has to be said.
    described = {key.rpartition(".")[2]: values.pop(key) for key in DESCRIBED}
    if any(described[key.rpartition(".")[2]] != defaults[key] for key in DESCRIBED):
        lines.append(f"\n{description_toml(described)}")
    # Keys without a group come first in TOML, and those of a group together.
    found = [one for one in values.items() if defaults.get(one[0]) != one[1]]
    for key, value in sorted(found, key=lambda one: one[0].rpartition(".")[0]):
        group, _, name = key.rpartition(".")
        if group != table:
            lines.append(f"\n[{group}]\n")
            table = group
        lines.append(f"{tomlkit.key(name).as_string()} = {literal(value)}\n")
    return "".join(lines)


def description_toml(described: Mapping[str, Any]) -> str:
    """Return a description as the tables of a settings file, from plain data by ``tables`` and so on."""
    lines: list[str] = []
    for part, values in described.items():
        if part == "words":
            _add_table(lines, f"schema.{part}", values, depth=0)
        for name, one in values.items() if part != "words" else ():
            _add_table(lines, f"schema.{part}.{tomlkit.key(name).as_string()}", one, depth=1)
    return "\n".join(lines) + "\n" if lines else ""


def as_markdown() -> str:
    """Return the same as a Markdown table."""
    rows = [
        f"| `{key}` | {_PRESET if key in DESCRIBED else f'`{literal(value)}`'} | {description} |"
        for key, value, description in _documented()
    ]
    return "\n".join(["| key | default | what it does |", "|---|---|---|", *rows])


def summary(key: str, value: Any) -> str:
    """Return a value as ``mlsys config`` shows it: of a description what there is, of anything else all."""
    if key not in DESCRIBED:
        return literal(value)
    if value == effective(Settings())[key]:
        return _PRESET
    if key == "schema.words":
        return literal(value)
    return ", ".join(f"{name} ({one['kind']})" for name, one in value.items()) or "{}"


def literal(value: Any) -> str:
    """Return a value as a settings file writes it, on one line."""
    if isinstance(value, dict):
        entries = ", ".join(f"{tomlkit.key(key).as_string()} = {literal(one)}" for key, one in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(one) for one in value) + "]"
    return str(tomlkit.item(value).as_string())


def _add_table(lines: list[str], path: str, values: Mapping[str, Any], *, depth: int) -> None:
    """Write a table, its own tables of tables below it and everything else in it."""
    below = {
        name: one
        for name, one in values.items()
        if depth and isinstance(one, dict) and any(isinstance(inner, dict) for inner in one.values())
    }
    lines.append(f"[{path}]")
    lines += [
        f"{tomlkit.key(name).as_string()} = {literal(one)}"
        for name, one in values.items()
        if name not in below
    ]
    lines.append("")
    for name, one in below.items():
        for inner, entry in one.items():
            _add_table(lines, f"{path}.{name}.{tomlkit.key(inner).as_string()}", entry, depth=0)


def _documented() -> Iterator[tuple[str, Any, str]]:
    defaults = effective(Settings())
    for key, field in leaves():
        yield key, defaults[key], field.description
