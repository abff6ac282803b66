"""Every setting's effective value, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.settings.tree import Settings, effective

if TYPE_CHECKING:
    from ml_sys.settings.loading import Configuration


@dataclass(frozen=True)
class SettingValue:
    """The value of a setting, as JSON knows it, and where it came from."""

    value: Any
    origin: str


def known_settings(configuration: Configuration) -> dict[str, SettingValue]:
    """Return every setting by its dotted key, in the order of the settings file."""
    values = effective(configuration.settings)
    return {key: SettingValue(value, configuration.origins[key]) for key, value in values.items()}


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings file, by which an editor completes and checks it."""
    schema = Settings.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
