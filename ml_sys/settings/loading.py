"""Load settings from flags, environment, TOML and defaults, in that order, and keep each one's origin."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from ml_sys.errors import SettingsError
from ml_sys.settings.checking.refusal import refused, setting_of
from ml_sys.settings.checking.xgboost_params import SET_ELSEWHERE, is_xgboost
from ml_sys.settings.sources import MOVED, Assignments, Environment, Flags, SettingsLayer, TomlFile, Values
from ml_sys.settings.training import BLENDED
from ml_sys.settings.tree import DESCRIBED, ESTIMATOR_KEY, PARAMS_KEY, Settings, leaves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.settings.registry import GateSettings

DEFAULT_FILE = Path("conf/mlsys.toml")
DEFAULT_ORIGIN = "default"

# Settings that older versions stored and nothing reads any more; and this group's, which had a key for each
# column before tables were described.
RETIRED = frozenset({"score.chunk_rows", "score.remember", "usage.period_days", *MOVED})
_COLUMNS = "schema"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Configuration:
    """Effective settings and, for each dotted key, where its value came from.

    Attributes
    ----------
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
    path = _find_file(config_file, environment)
    file = TomlFile(path) if path else SettingsLayer()
    gate = SettingsLayer({key: entry for key, entry in file.entries.items() if key.startswith("gate.")})
    sources = (Flags(flags or {}), Assignments(assignments), Environment(environment), file)
    _drop_params_of_others(sources)
    origins = {key: _entry(key, sources)[1] for key, _ in leaves()}
    return Configuration(_merge(sources), origins, _merge([gate]).gate)


def from_values(values: Mapping[str, Any], *, place: str) -> Settings:
    """Build settings from a nested mapping, such as a version's own ``settings.toml``.

    Settings that are retired since it was written are ignored, and said in the log.
    """
    columns = {key for key, one in values.get(_COLUMNS, {}).items() if isinstance(one, str | int)}
    columns -= {key.rpartition(".")[2] for key, _ in leaves() if key.startswith(f"{_COLUMNS}.")}
    past = {*RETIRED, *(f"{_COLUMNS}.{name}" for name in columns)}
    stored = Values(values, place, past)
    retired = [key for key in sorted(past) if stored.entries.pop(key, None)]
    params = _entry(PARAMS_KEY, [stored])[0]
    if isinstance(params, dict) and is_xgboost(_entry(ESTIMATOR_KEY, [stored])[0] or BLENDED):
        retired += [f"{PARAMS_KEY}.{name}" for name in sorted(params) if name in SET_ELSEWHERE]
        params = {name: value for name, value in params.items() if name not in SET_ELSEWHERE}
        stored.entries[PARAMS_KEY] = (params, place)
    if retired:
        log.info("%s: ignored, as no longer settings: %s", place, ", ".join(retired))
    return _merge([stored])


def _find_file(config_file: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = config_file or (Path(environment["MLSYS_CONFIG"]) if environment.get("MLSYS_CONFIG") else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not named.is_file():
        raise SettingsError(
            str(named), "--config", "there is no such file", hint="name an existing TOML file"
        )
    return named


def _drop_params_of_others(sources: Sequence[SettingsLayer]) -> None:
    """Drop what layers say of parameters below the one that names another estimator."""
    estimator = BLENDED
    for at in reversed(range(len(sources))):
        named = sources[at].entries.get(ESTIMATOR_KEY, (estimator, ""))[0]
        if named != estimator:
            estimator = named
            for below in sources[at + 1 :]:
                below.entries.pop(PARAMS_KEY, None)


def _entry(key: str, sources: Sequence[SettingsLayer]) -> tuple[Any, str]:
    """Return the value of the highest layer that speaks of a key, and every place that it came from."""
    said = [source.entries[key] for source in sources if key in source.entries]
    value, origin = said[0] if said else (None, DEFAULT_ORIGIN)
    if isinstance(value, dict):  # tables are merged
        origin = ", ".join(place for _, place in reversed(said))
    return value, origin


def _merge(sources: Sequence[SettingsLayer]) -> Settings:
    """Let pydantic-settings merge layers, the highest first, and check what comes of them."""

    class Merged(BaseSettings):
        settings: Settings

        @classmethod
        def settings_customise_sources(cls, *_others: Any, **_built_in: Any) -> tuple[SettingsLayer, ...]:
            return tuple(sources)

    try:
        return Merged().settings
    except ValidationError as error:
        first = error.errors()[0]
        key = setting_of(first["loc"])
        # What is wrong with a description as a whole is where its tables are.
        said = _entry(key if any(key == one for one, _ in leaves()) else DESCRIBED[0], sources)
        raise refused(first, *said, key) from error
