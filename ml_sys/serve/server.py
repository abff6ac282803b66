"""Run the service: one process, or several on one socket, each restarted if it dies."""

from __future__ import annotations

import logging
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from ml_sys import kernel
from ml_sys.errors import MlsysError, SettingsError, StorageError, UnwritableError
from ml_sys.registry.store import open_registry
from ml_sys.serve.http.ending import Ending
from ml_sys.serve.http.hosts import is_loopback
from ml_sys.serve.workers import CANNOT_START, run_workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from ml_sys.serve.prediction_log import Sink
    from ml_sys.serve.service import Service
    from ml_sys.settings import ServeSettings, Settings

_BACKLOG = 2048
_CONNECTIONS_PER_TURN = 32
# At shutdown, requests in progress may take their whole time before they are given up.
_GRACE_SECONDS = 5
# A head that arrives in pieces may be this many times too large before the server itself refuses it, without
# a problem document.
_PARTIAL_HEADS = 4
_MILLISECONDS = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Application:
    """Make the application in the process that serves it; is pickled for workers.

    Attributes
    ----------
    pinned : str or None
        The only version to serve; None follows the production version.
    shared : Path or None
        Folder that several workers count in.
    logging : tuple of (bool, str) or None
        How workers set up logging: whether as JSON lines, and the level; None leaves it as it is.
    """

    settings: Settings
    pinned: str | None
    shared: Path | None = None
    logging: tuple[bool, str] | None = None

    def __call__(self, ending: Ending | None = None) -> ASGIApp:
        """Make the application, for a process that shuts down by ``ending``."""
        from ml_sys.serve.app import create_app

        if self.logging is not None:
            from ml_sys import logs

            logs.configure(json_lines=self.logging[0], level=self.logging[1])
        kernel.defer()
        try:
            return create_app(self._service(ending or Ending()))
        except MlsysError as error:
            _log.error("%s (%s)", error.message, error.hint)
            sys.exit(CANNOT_START)

    def _service(self, ending: Ending) -> Service:
        from ml_sys.serve import prometheus as counting
        from ml_sys.serve.companies import CompanyLookup
        from ml_sys.serve.hotswap import Current
        from ml_sys.serve.prediction_log import PredictionLog
        from ml_sys.serve.service import Service

        settings = self.settings
        counting.share(self.shared)
        metrics = counting.Metrics(settings.artifacts_dir)
        serve = settings.serve
        sink, problem = open_sink(settings)
        return Service(
            current=Current(open_registry(settings), self.pinned, metrics),
            metrics=metrics,
            log=None
            if sink is None
            else PredictionLog(sink, serve.prediction_queue, keep_days=serve.prediction_log_days),
            companies=CompanyLookup(settings.artifacts_dir),
            settings=serve,
            log_problem=problem,
            ending=ending,
        )


def open_sink(settings: Settings) -> tuple[Sink | None, str]:
    """Open the sink for predictions; if the artifacts folder is read-only, return why there is none.

    A place that the settings name has to be writable.

    Raises
    ------
    ResolveError
        If it cannot be found or made.
    StorageError
        If its database cannot be used.
    """
    from ml_sys.serve.sinks import make_sink

    chosen = settings.serve
    try:
        return make_sink(settings), ""
    except UnwritableError as error:
        if chosen.prediction_log_path:
            raise
        return None, error.message


def check_exposure(host: str, *, has_keys: bool, insecure: bool) -> None:
    """Refuse to listen to other machines without API keys.

    Raises
    ------
    SettingsError
        If other machines could call without a key.
    """
    if has_keys or insecure or is_loopback(host):
        return
    raise SettingsError(
        "serve.host",
        host,
        "can be reached from other machines, but no API key is required",
        hint="make a key with mlsys apikey new; or, behind a proxy that checks callers, add --insecure",
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises
    ------
    StorageError
        If the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StorageError(
            f"{host}:{port}: cannot listen on this address: {error.strerror or error}",
            hint="choose another one with --host and --port",
        ) from error
    listening.set_inheritable(True)
    return listening


def run(listening: socket.socket, application: Application) -> None:
    """Serve until the process is told to end.

    Parameters
    ----------
    application : Application
        Its ``shared`` is set here if there are several workers.
    """
    serve = application.settings.serve
    allow_connections()
    cut_off_silent_readers(listening, serve.request_timeout_seconds)
    # The event loop takes one new connection per turn and listening socket.
    sockets = [listening, *(listening.dup() for _ in range(_CONNECTIONS_PER_TURN - 1))]
    if serve.workers == 1:
        work(application, sockets)
        return
    with tempfile.TemporaryDirectory(prefix="mlsys-metrics-") as shared:
        run_workers(work, replace(application, shared=Path(shared)), sockets, serve.workers)


def work(application: Application, sockets: list[socket.socket]) -> None:
    """Answer on these sockets in this process until it is told to end."""
    serve = application.settings.serve
    ending = Ending(sockets[0], apart=serve.workers > 1)
    serve_http(partial(application, ending), sockets, serve)


def serve_http(make: Callable[[], ASGIApp], sockets: list[socket.socket], serve: ServeSettings) -> None:
    """Run uvicorn, using only its documented options.

    Parameters
    ----------
    make : callable
        Makes the application.
    sockets : list of socket
        Closed when the server stops listening.
    """
    options = uvicorn.Config(
        make,
        factory=True,
        # The uvicorn parser that also reads the body of a request that asks for an upgrade.
        http="h11",
        ws="none",
        h11_max_incomplete_event_size=_PARTIAL_HEADS * serve.max_header_bytes,
        timeout_keep_alive=serve.keep_alive_seconds,
        timeout_graceful_shutdown=ceil(serve.request_timeout_seconds) + _GRACE_SECONDS,
        log_config=None,
        # Its warnings are each of one request, of anybody who may connect.
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    uvicorn.Server(options).run(sockets=sockets)


def allow_connections() -> None:
    """Let this process and its workers have as many files open as the system allows: each connection is one.

    The usual limit of 1024 is for programs that use ``select``; it would leave a few hundred silent
    connections to shut everyone else out.
    """
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS knows no limit, and takes none
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def cut_off_silent_readers(listening: socket.socket, seconds: float) -> None:
    """Let the system close connections whose client reads nothing for this long, if it can.

    Connections inherit this from their listening socket.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, ceil(seconds * _MILLISECONDS))
