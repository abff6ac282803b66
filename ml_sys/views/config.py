"""The effective settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.settings.writing import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.jobs.config import SettingValue


def settings(values: Mapping[str, SettingValue]) -> None:
    """Show the effective settings in TOML, and where each came from."""
    rows = [(key, summary(key, one.value), one.origin) for key, one in values.items()]
    console.table("Settings", ("key", "value", "origin"), rows, left=3)
