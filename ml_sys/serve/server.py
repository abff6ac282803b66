"""Runs the service: one process, or several on one socket, each replaced when it dies."""

from __future__ import annotations

import logging
import socket
import sys
import tempfile
from dataclasses import dataclass, replace
from ipaddress import ip_address
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from ml_sys import kernel
from ml_sys.errors import MlsysError, SettingsError, StorageError, UnwritableError
from ml_sys.registry.store import open_registry
from ml_sys.serve.protocol import Limits, ServeConfig

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ml_sys.serve.prediction_log import Sink
    from ml_sys.serve.service import Service
    from ml_sys.settings import Settings

PREDICTIONS = "predictions.sqlite"
_BACKLOG = 2048
_CONNECTIONS_PER_TURN = 32
# What is in hand may take its whole time before it is given up at the end.
_GRACE_SECONDS = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Application:
    """Makes the application in the process that serves it; goes to workers by pickle.

    Attributes
    ----------
    settings : Settings
    pinned : str or None
        The only version to serve; None follows the production version.
    shared : Path or None
        Folder that several workers count in.
    logging : tuple of (bool, str) or None
        How workers set up logging: as JSON lines or not, and the level; None leaves it.
    """

    settings: Settings
    pinned: str | None
    shared: Path | None = None
    logging: tuple[bool, str] | None = None

    def __call__(self) -> ASGIApp:
        """Make it."""
        from ml_sys.serve.app import create_app

        if self.logging is not None:
            from ml_sys import logs

            logs.configure(json_lines=self.logging[0], level=self.logging[1])
        kernel.defer()
        try:
            return create_app(self._service())
        except MlsysError as error:
            _log.error("%s (%s)", error.message, error.hint)
            sys.exit(STARTUP_FAILURE)  # a worker that starts anew would fail again

    def _service(self) -> Service:
        from ml_sys.serve import metrics as counting
        from ml_sys.serve.companies import Companies
        from ml_sys.serve.hotswap import Current
        from ml_sys.serve.prediction_log import PredictionLog
        from ml_sys.serve.service import Service

        settings = self.settings
        counting.share(self.shared)
        metrics = counting.Metrics()
        serve = settings.serve
        sink, problem = open_sink(settings)
        return Service(
            current=Current(open_registry(settings), self.pinned, metrics, float(settings.schema_.unranked)),
            metrics=metrics,
            log=None
            if sink is None
            else PredictionLog(sink, serve.prediction_queue, keep_days=serve.prediction_log_days),
            companies=Companies(settings.artifacts_dir),
            settings=serve,
            log_problem=problem,
        )


def open_sink(settings: Settings) -> tuple[Sink | None, str]:
    """Open what keeps predictions, and say why nothing does where the artifacts folder can only be read.

    A place of its own that the settings name has to be writable.

    Raises
    ------
    ResolveError
        If it cannot be found or made.
    StorageError
        If its file cannot be used.
    """
    from ml_sys.serve.prediction_log import make_sink

    chosen = settings.serve
    try:
        return make_sink(chosen.prediction_log, predictions_path(settings)), ""
    except UnwritableError as error:
        if chosen.prediction_log_path:
            raise
        return None, error.message


def predictions_path(settings: Settings) -> Path:
    """Return the file of the prediction log."""
    named = settings.serve.prediction_log_path
    return Path(named) if named else settings.artifacts_dir / PREDICTIONS


def check_exposure(host: str, *, has_keys: bool, insecure: bool) -> None:
    """Refuse to listen to other machines without API keys.

    Raises
    ------
    SettingsError
        If that is asked for.
    """
    if has_keys or insecure or is_loopback(host):
        return
    raise SettingsError(
        "serve.host",
        host,
        "is reached from other machines, and no API key is asked for",
        hint="make a key: mlsys apikey new; or, behind something that checks callers, add --insecure",
    )


def is_loopback(host: str) -> bool:
    """Say whether an address is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises
    ------
    StorageError
        If the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StorageError(
            f"{host}:{port}: cannot be listened to: {error.strerror or error}",
            hint="choose another one: --host, --port",
        ) from error
    listening.set_inheritable(True)
    return listening


def run(listening: socket.socket, application: Application) -> None:
    """Serve until the process is told to end.

    Parameters
    ----------
    listening : socket
    application : Application
        Its ``shared`` is set here where there are several workers.
    """
    serve = application.settings.serve
    # The event loop takes one new connection per turn and listening socket.
    sockets = [listening, *(listening.dup() for _ in range(_CONNECTIONS_PER_TURN - 1))]
    if serve.workers == 1:
        uvicorn.Server(_config(application)).run(sockets=sockets)
        return
    with tempfile.TemporaryDirectory(prefix="mlsys-metrics-") as shared:
        _Workers(_config(replace(application, shared=Path(shared))), sockets=sockets).run()


class _Workers(Multiprocess):
    """The parent of the workers."""

    def terminate_all(self) -> None:
        """Tell the workers to end, and let go of the sockets: they would take what nobody answers."""
        super().terminate_all()
        for one in self.sockets:
            one.close()


def _config(application: Application) -> ServeConfig:
    serve = application.settings.serve
    return ServeConfig(
        application,
        factory=True,
        limits=Limits(
            max_header_bytes=serve.max_header_bytes,
            request_timeout_seconds=serve.request_timeout_seconds,
            max_concurrency=serve.max_concurrency,
        ),
        workers=serve.workers,
        log_config=None,
        timeout_graceful_shutdown=ceil(serve.request_timeout_seconds) + _GRACE_SECONDS,
    )
