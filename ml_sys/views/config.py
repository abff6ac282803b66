"""The effective settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.settings_file import literal

if TYPE_CHECKING:
    from collections.abc import Mapping


def settings(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Show effective settings as a settings file has them, and where each came from."""
    rows = [(key, literal(value), origins[key]) for key, value in values.items()]
    console.table("Settings", ("key", "value", "origin"), rows, left=3)


def settings_plain(values: Mapping[str, Any], origins: Mapping[str, str]) -> dict[str, Any]:
    """Return effective settings and their origins as plain data."""
    return {key: {"value": value, "origin": origins[key]} for key, value in values.items()}
