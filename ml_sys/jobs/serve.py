"""Serve a version over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.data import snapshot
from ml_sys.registry.index import latest
from ml_sys.registry.store import open_registry
from ml_sys.serve import server
from ml_sys.text import is_rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_sys.registry.store import Registry
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class ApiKey:
    """An API key for a caller, and its digest for the settings."""

    key: str
    digest: str


@dataclass(frozen=True)
class Start:
    """The state of a server at its start.

    Attributes
    ----------
    version : str or None
        None if no version is in production.
    unlogged : str
        Why predictions are not stored; empty if they are.
    missing : tuple of str
        Commands that put a first version into production; empty if there is one.
    """

    host: str
    port: int
    version: str | None
    unlogged: str
    missing: tuple[str, ...]


def serve_settings(
    settings: Settings,
    version: str | None,
    *,
    logging: tuple[bool, str],
    on_start: Callable[[Start], None],
) -> None:
    """Serve until the process is told to end.

    Parameters
    ----------
    version : str, optional
        The only version to serve; by default the one in production at any time.
    logging : tuple of (bool, str)
        How worker processes set up logging: whether as JSON lines, and the level.
    on_start : callable
        Called once the server listens.

    Raises
    ------
    SettingsError
        If other machines could call without a key and the settings do not allow that.
    StorageError
        If the address or the prediction log cannot be used.
    """
    chosen = settings.serve
    server.check_exposure(chosen.host, has_keys=bool(chosen.api_keys), insecure=chosen.insecure)
    registry = open_registry(settings)
    production = None if is_rule(registry.read().production) else registry.read().production
    served = registry.resolve(version) if version else production
    sink, problem = server.open_sink(settings)
    if sink is not None:  # fail now rather than in a worker
        sink.close()
    with server.listen(chosen.host, chosen.port) as listening:
        port = listening.getsockname()[1]
        on_start(Start(chosen.host, port, served, problem, () if served else _missing(registry)))
        server.run(
            listening,
            server.Application(settings, version, logging=logging if chosen.workers > 1 else None),
        )


def _missing(registry: Registry) -> tuple[str, ...]:
    """Return the commands that put a first version into production."""
    versions = registry.read()
    steps = [] if versions.versions or snapshot.exists(registry.root) else ["mlsys ingest"]
    steps += [] if versions.versions else ["mlsys train"]
    steps.append(f"mlsys promote {latest(versions) if versions.versions else '1.0.0'}")
    return tuple(steps)
