"""Where settings come from, as sources of pydantic-settings: a file, the environment, ``--set``, flags.

Each value keeps its origin, and a key that is no setting is refused with the nearest one.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ml_sys.errors import SettingsError, nearest
from ml_sys.settings.tree import leaves

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pydantic.fields import FieldInfo

ENV_PREFIX, ENV_DELIMITER = "MLSYS_", "__"
# Environment variables that carry the prefix but are not settings.
RESERVED_ENVIRONMENT = frozenset({"MLSYS_CONFIG", "MLSYS_MODEL_VERSION", "MLSYS_DEBUG"})

# Settings that became entries of another one.
MOVED = {f"ingest.{table}": f"ingest.files.{table}" for table in ("customers", "noncustomers", "usage")}

_SCHEMA = "schema"
_FIELDS = dict(leaves())
# Flags that are no setting's name with dashes.
_FLAGS = {"ingest.files": "--table"}


class SettingsLayer(PydanticBaseSettingsSource):
    """One layer of settings.

    Attributes
    ----------
    entries : dict of str to (value, str)
        Value and origin of each dotted key that the layer speaks of.
    """

    def __init__(self, entries: Mapping[str, tuple[Any, str]] | None = None) -> None:
        super().__init__(BaseSettings)
        self.entries = dict(entries or {})

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a top-level field, its key, and that nothing is left to parse."""
        key = field.alias or field_name
        return self().get(key), key, False

    def __call__(self) -> dict[str, Any]:
        """Return the layer as the tree that it is merged into the others with."""
        tree: dict[str, Any] = {}
        for key, (value, _) in self.entries.items():
            *groups, name = key.split(".")
            node = tree
            for group in groups:
                node = node.setdefault(group, {})
            node[name] = value
        return {"settings": tree}


class Values(SettingsLayer):
    """Nested values, such as those of a version's own ``settings.toml``."""

    def __init__(self, values: Mapping[str, Any], place: str, retired: Collection[str] = ()) -> None:
        super().__init__()
        self._add(values, place, (*_FIELDS, *retired), "")

    def _add(self, values: Mapping[str, Any], place: str, keys: Sequence[str], prefix: str) -> None:
        for name, value in values.items():
            key = prefix + name
            if key in keys:
                self.entries[key] = (value, place)
            elif not any(known.startswith(key + ".") for known in keys):
                raise _unknown(place, key)
            elif isinstance(value, dict):
                self._add(value, place, keys, key + ".")
            else:
                raise SettingsError(
                    place, key, "is a group of settings, not a value", hint=f"write [{key}] and keys below"
                )


class TomlFile(Values):
    """A settings file."""

    def __init__(self, path: Path) -> None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise SettingsError(
                str(path), "file", f"cannot be read as TOML: {error}", hint="fix that line"
            ) from error
        super().__init__(values, str(path))


class Environment(SettingsLayer):
    """Variables such as ``MLSYS_LABEL__HORIZON_DAYS``, in upper or lower case."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__()
        keys = {ENV_PREFIX + key.replace(".", ENV_DELIMITER).upper(): key for key in _FIELDS}
        for variable, text in variables.items():
            name = variable.upper()
            if name in keys:
                self.entries[keys[name]] = (_parse(text, keys[name]), variable)
            elif name.startswith(ENV_PREFIX) and name not in RESERVED_ENVIRONMENT:
                raise _unknown("environment", variable, keys)


class Assignments(SettingsLayer):
    """``key=value`` texts of the flag ``--set``; a later one wins."""

    def __init__(self, assignments: Sequence[str]) -> None:
        super().__init__()
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            key = key.strip()
            if not equals:
                raise SettingsError("--set", assignment, "has no '='", hint="write --set group.key=value")
            if key in _FIELDS:
                value = _parse(text, key)
            else:  # an entry of a table, such as model.params.max_depth
                key, value = _entry_of_table(key, text)
            before = self.entries.get(key, (None, ""))[0]
            both = isinstance(before, dict) and isinstance(value, dict)
            self.entries[key] = (_merged(before, value) if both else value, "--set")


class Flags(SettingsLayer):
    """Values of command-line flags by dotted key; None is a flag that was not given."""

    def __init__(self, flags: Mapping[str, Any]) -> None:
        given = {key: value for key, value in flags.items() if value is not None}
        super().__init__(
            {
                key: (one, _FLAGS.get(key, f"--{key.rpartition('.')[2].replace('_', '-')}"))
                for key, one in given.items()
            }
        )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Put entries over others, and tables within them alike."""
    merged = dict(below)
    for name, value in above.items():
        before = merged.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[name] = _merged(before or {}, value) if both else value
    return merged


def _entry_of_table(key: str, text: str) -> tuple[str, Any]:
    """Return the setting that a key is below, and the value as an entry of it, however deep."""
    parts = key.split(".")
    for n in range(len(parts) - 1, 0, -1):
        table = ".".join(parts[:n])
        if table in _FIELDS:
            value: Any = _parse(text, table)
            for name in reversed(parts[n:]):
                value = {name: value}
            return table, value
    raise _unknown("--set", key)


def _parse(text: str, key: str) -> Any:
    """Read a value as TOML would; anything else, or a value of a text setting, is plain text."""
    if _FIELDS[key].annotation in {str, Path}:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _unknown(place: str, key: str, names: Iterable[str] | None = None) -> SettingsError:
    """Refuse a key, naming the nearest one; by default among all settings and their groups."""
    if names is None:
        groups = dict.fromkeys(known.rpartition(".")[0] for known in _FIELDS if "." in known)
        names = [*_FIELDS, *groups]
    near = MOVED.get(key) or nearest(key, names)
    hint = f"did you mean {near}?" if near else "see `mlsys config`"
    if near == _SCHEMA:
        hint = f"your own name of a column goes to [{_SCHEMA}.columns], tables to [{_SCHEMA}.tables.NAME]"
    return SettingsError(place, key, "is not a setting", hint=hint)
