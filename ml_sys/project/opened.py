"""What every part of the Python API stands on: an artifacts folder and the settings that hold for it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ml_sys.errors import SettingsError, nearest
from ml_sys.resolve import keep_out
from ml_sys.settings.loading import load
from ml_sys.settings.tree import leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_sys.settings import Settings
    from ml_sys.settings.loading import Configuration

AnyPath: TypeAlias = str | Path
Day: TypeAlias = str | date


class Opened:
    """An artifacts folder and the settings that hold for it; :class:`ml_sys.project.Project` says how."""

    def __init__(
        self,
        artifacts: AnyPath | None = None,
        *,
        config: AnyPath | None = None,
        on_step: Callable[..., None] = lambda *_: None,
        **settings: Any,
    ) -> None:
        known = {key.replace(".", "__"): key for key, _ in leaves()}
        for name in settings:
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean {near}?" if near else "see `mlsys config`"
                raise SettingsError("Project", name, "is not a setting", hint=hint)
        given = {known[name]: value for name, value in settings.items()}
        self._flags = {"artifacts_dir": path_of(artifacts), **given}
        self._on_step = on_step
        self._config = path_of(config)
        self._configuration = self._load(self._config)
        keep_out(self.settings.artifacts_dir)

    def __repr__(self) -> str:
        return f"Project({str(self.settings.artifacts_dir)!r})"

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._configuration.settings

    def _load(self, config: Path | None, flags: dict[str, Any] | None = None) -> Configuration:
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        return load(config_file=config, flags={**self._flags, **given})

    def _on_lists(self, done: int, of: int) -> None:
        self._on_step("lists", done / of)


def path_of(path: AnyPath | None) -> Path | None:
    """Return a path that may be left out."""
    return None if path is None else Path(path)
