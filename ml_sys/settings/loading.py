"""Reads settings from flags, environment, TOML and defaults, in that order, and keeps the origin of each."""

from __future__ import annotations

import logging
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ml_sys.errors import SettingsError, nearest
from ml_sys.settings.training import BLENDED
from ml_sys.settings.tree import ESTIMATOR_KEY, PARAMS_KEY, Settings, leaves
from ml_sys.settings.xgboost_params import SET_ELSEWHERE, XGBoostParams, is_xgboost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.settings.registry import GateSettings

ENV_PREFIX = "MLSYS_"
ENV_DELIMITER = "__"
DEFAULT_FILE = Path("conf/mlsys.toml")
# Environment variables that carry the prefix but are not settings.
RESERVED_ENVIRONMENT = frozenset({"MLSYS_CONFIG", "MLSYS_MODEL_VERSION", "MLSYS_DEBUG"})
DEFAULT_ORIGIN = "default"
# A key that was taken for its digest must not be shown.
_SECRET = frozenset({"serve.api_keys"})

# Settings that older versions stored and nothing reads any more.
RETIRED = frozenset({"score.chunk_rows"})

log = logging.getLogger(__name__)

Layer = dict[str, tuple[Any, str]]


@dataclass(frozen=True)
class Configuration:
    """Effective settings and, for each dotted key, where its value came from.

    Attributes
    ----------
    origins : mapping of str to str
    gate : GateSettings
        What the settings file alone asks of a promotion.
    """

    settings: Settings
    origins: Mapping[str, str]
    gate: GateSettings


def load(
    *,
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
) -> Configuration:
    """Merge the four layers into one frozen settings object.

    Parameters
    ----------
    config_file : Path, optional
        TOML file. Without it MLSYS_CONFIG, then ``conf/mlsys.toml`` where that exists.
    environment : mapping, optional
        Environment variables; ``os.environ`` by default.
    flags : mapping of dotted key to value, optional
        Values of command-line flags; None values are ignored.
    assignments : sequence of str
        ``key=value`` texts of the ``--set`` flag.

    Raises
    ------
    SettingsError
        If a key is unknown or a value has the wrong type, naming the place and the nearest key.
    """
    environment = os.environ if environment is None else environment
    keys = [key for key, _ in leaves()]
    layers = [
        _from_file(_find_file(config_file, environment), keys),
        _from_environment(environment, keys),
        _from_assignments(assignments, keys),
        {key: (value, f"--{_flag_name(key)}") for key, value in (flags or {}).items() if value is not None},
    ]
    merged: Layer = {}
    for layer in layers:
        if _names_another_estimator(layer, merged):
            merged.pop(PARAMS_KEY, None)
        for key, entry in layer.items():
            merged[key] = _merge(merged.get(key), entry)
    settings = _validate(merged)
    filed = {key: entry for key, entry in layers[0].items() if key.startswith("gate.")}
    origins = {key: merged[key][1] if key in merged else DEFAULT_ORIGIN for key in keys}
    return Configuration(settings, origins, _validate(filed).gate)


def from_values(values: Mapping[str, Any], *, place: str) -> Settings:
    """Build settings from a nested mapping, such as a version's own ``settings.toml``.

    Settings that are retired since it was written are ignored, and said in the log.
    """
    layer = _flatten(values, [*(key for key, _ in leaves()), *RETIRED], place)
    params, where = layer.get(PARAMS_KEY, ({}, place))
    retired = [key for key in sorted(RETIRED) if layer.pop(key, None)]
    if is_xgboost(layer.get(ESTIMATOR_KEY, (BLENDED, ""))[0]):
        retired += [f"{PARAMS_KEY}.{name}" for name in sorted(params) if name in SET_ELSEWHERE]
        layer[PARAMS_KEY] = ({name: one for name, one in params.items() if name not in SET_ELSEWHERE}, where)
    if retired:
        log.info("%s: ignored, as no longer settings: %s", place, ", ".join(retired))
    return _validate(layer)


def _names_another_estimator(layer: Layer, below: Layer) -> bool:
    current = below.get(ESTIMATOR_KEY, (BLENDED, DEFAULT_ORIGIN))
    return bool(layer.get(ESTIMATOR_KEY, current)[0] != current[0])


def _merge(below: tuple[Any, str] | None, above: tuple[Any, str]) -> tuple[Any, str]:
    """Merge a table given in two layers key by key; replace anything else."""
    if below is None or not (isinstance(below[0], dict) and isinstance(above[0], dict)):
        return above
    origin = below[1] if below[1].endswith(above[1]) else f"{below[1]}, {above[1]}"
    return {**below[0], **above[0]}, origin


def _find_file(config_file: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = config_file or (Path(environment["MLSYS_CONFIG"]) if environment.get("MLSYS_CONFIG") else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not named.is_file():
        raise SettingsError(
            str(named), "--config", "there is no such file", hint="name an existing TOML file"
        )
    return named


def _from_file(path: Path | None, keys: Sequence[str]) -> Layer:
    if path is None:
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(
            str(path), "file", f"cannot be read as TOML: {error}", hint="mend the named line"
        ) from error
    return _flatten(values, keys, str(path))


def _flatten(values: Mapping[str, Any], keys: Sequence[str], place: str, prefix: str = "") -> Layer:
    layer: Layer = {}
    for name, value in values.items():
        key = prefix + name
        if key in keys:
            layer[key] = (value, place)
        elif any(known.startswith(key + ".") for known in keys):
            if not isinstance(value, dict):
                raise SettingsError(
                    place, key, "is a group of settings, not a value", hint=f"write [{key}] and keys below"
                )
            layer |= _flatten(value, keys, place, key + ".")
        else:
            raise _unknown(place, key, keys)
    return layer


def _from_environment(environment: Mapping[str, str], keys: Sequence[str]) -> Layer:
    by_variable = {_variable(key): key for key in keys}
    layer: Layer = {}
    for variable, text in environment.items():
        if not variable.upper().startswith(ENV_PREFIX) or variable.upper() in RESERVED_ENVIRONMENT:
            continue
        key = by_variable.get(variable.upper())
        if key is None:
            near = nearest(variable, by_variable)
            raise SettingsError(
                "environment",
                variable,
                "is not a setting",
                hint=f"did you mean {near}?" if near else "see `mlsys config`",
            )
        layer[key] = (_parse(text, key), variable)
    return layer


def _from_assignments(assignments: Sequence[str], keys: Sequence[str]) -> Layer:
    layer: Layer = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals:
            raise SettingsError("--set", assignment, "has no '='", hint="write --set group.key=value")
        table, _, name = key.rpartition(".")
        if key in keys:
            entry = (_parse(text, key), "--set")
        elif table in keys:  # an entry of a table, such as model.params.max_depth
            key, entry = table, ({name: _parse(text, table)}, "--set")
        else:
            raise _unknown("--set", key, keys)
        layer[key] = _merge(layer.get(key), entry)
    return layer


def _parse(text: str, key: str) -> Any:
    """Read a value as TOML would; what is no TOML value, or belongs to a text setting, is plain text."""
    if dict(leaves())[key].annotation in {str, Path}:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _validate(layer: Layer) -> Settings:
    nested: dict[str, Any] = {}
    fields = dict(leaves())
    for key, (value, _) in layer.items():
        *groups, name = key.split(".")
        node = nested
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"]]
        key = next(
            (k for k in (".".join(parts[:n]) for n in range(len(parts), 0, -1)) if k in fields),
            ".".join(parts),
        )
        value, place = layer.get(key, (first.get("input"), DEFAULT_ORIGIN))
        below = key.count(".") + 1
        if key == PARAMS_KEY and len(parts) > below:
            raise _bad_param(place, parts[below], first["type"], first["msg"], first["input"]) from error
        raise SettingsError(
            place,
            key,
            f"{first['msg'][0].lower()}{first['msg'][1:]}" + ("" if key in _SECRET else f", got {value!r}"),
            hint=fields[key].description or "",
        ) from error


def _bad_param(place: str, name: str, kind: str, message: str, value: Any) -> SettingsError:
    """Say what is wrong with one parameter of XGBoost."""
    if name in SET_ELSEWHERE:
        said, hint = "is not a parameter to set here", SET_ELSEWHERE[name]
    elif kind == "extra_forbidden":
        near = nearest(name, XGBoostParams.model_fields)
        said = "is no parameter of XGBClassifier"
        hint = f"did you mean {near}?" if near else "see the parameters of XGBClassifier"
    else:
        said = f"{message[0].lower()}{message[1:]}, got {value!r}"
        hint = "see the parameters of XGBClassifier"
    return SettingsError(place, f"{PARAMS_KEY}.{name}", said, hint=hint)


def _unknown(place: str, key: str, keys: Sequence[str]) -> SettingsError:
    groups = dict.fromkeys(known.rpartition(".")[0] for known in keys if "." in known)
    near = nearest(key, [*keys, *groups])
    return SettingsError(
        place, key, "is not a setting", hint=f"did you mean {near}?" if near else "see `mlsys config`"
    )


def _variable(key: str) -> str:
    return ENV_PREFIX + key.replace(".", ENV_DELIMITER).upper()


def _flag_name(key: str) -> str:
    return key.rpartition(".")[2].replace("_", "-")
