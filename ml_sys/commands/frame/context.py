"""The starting point of commands: global options, registry, latest snapshot, clock, dates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ml_sys.days import parse_day

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_sys.data.snapshot import Outline, Snapshot
    from ml_sys.registry.store import Registry
    from ml_sys.settings import Settings
    from ml_sys.settings.loading import Configuration

Result = TypeVar("Result")


@dataclass(frozen=True)
class GlobalOptions:
    """The options that apply to every command."""

    config_file: Path | None
    artifacts_dir: Path | None
    assignments: tuple[str, ...]
    as_json: bool
    log_json: bool = False
    log_level: str = ""

    def load(self, **flags: Any) -> Configuration:
        """Read the settings; flags are dotted keys with ``__`` for the dot."""
        from ml_sys.resolve import keep_out
        from ml_sys.settings.loading import load

        dotted = {key.replace("__", "."): value for key, value in flags.items()}
        dotted["artifacts_dir"] = self.artifacts_dir
        configuration = load(config_file=self.config_file, flags=dotted, assignments=self.assignments)
        keep_out(configuration.settings.artifacts_dir)
        return configuration

    def read(self, path: Path) -> Settings:
        """Read the settings with another file."""
        return replace(self, config_file=path).load().settings

    def load_past(
        self, every_days: int | None, retrain_days: int | None, jobs: int | None, **flags: Any
    ) -> Settings:
        """Read the settings with the flags that commands on past lists share, and some of their own."""
        return self.load(
            backtest__every_days=every_days,
            backtest__retrain_days=retrain_days,
            engine__workers=jobs,
            **flags,
        ).settings

    def show(self, result: Result, view: Callable[[Result], None]) -> None:
        """Print a result through its view or, with ``--json``, as plain data."""
        if self.as_json:
            from ml_sys import console
            from ml_sys.views.frame.cells import plain

            console.plain_json(plain(result))
        else:
            view(result)


def open_registry(settings: Settings) -> Registry:
    """Return the registry that the settings name; see :func:`ml_sys.registry.store.open_registry`."""
    from ml_sys.registry import store

    return store.open_registry(settings)


def latest_snapshot(artifacts_dir: Path) -> Snapshot | Outline:
    """Open the snapshot that was ingested last."""
    from ml_sys.data import snapshot

    return snapshot.opened_latest(artifacts_dir)


def now() -> datetime:
    """Return the time at which the command runs."""
    return datetime.now(UTC)


def parse_days(first: str | None, last: str | None) -> tuple[int | None, int | None]:
    """Read the days of the first and the last of some past lists."""
    return parse_day(first, "--from"), parse_day(last, "--to")
