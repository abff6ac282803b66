"""What the parts of one server process share, and its life from start to end."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from ml_sys import kernel
from ml_sys.errors import ArtifactError
from ml_sys.serve.protocol import DRAINING, REFUSED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ml_sys.serve.companies import Companies
    from ml_sys.serve.hotswap import Current
    from ml_sys.serve.metrics import Metrics
    from ml_sys.serve.prediction_log import Logged, PredictionLog
    from ml_sys.serve.served import Served
    from ml_sys.settings import ServeSettings

# A model that was itself a moment ago is not asked again.
_CHECK_SECONDS = 1.0
_LOG_CLOSE_SECONDS = 10.0
_PARENT_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass
class Service:
    """What the parts of one server process share.

    Attributes
    ----------
    current : Current
        The version that answers.
    metrics : Metrics
    log : PredictionLog or None
    companies : Companies
    settings : ServeSettings
    log_problem : str
        Why predictions are not kept although the settings ask for it; empty where they are.
    """

    current: Current
    metrics: Metrics
    log: PredictionLog | None
    companies: Companies
    settings: ServeSettings
    log_problem: str = ""
    _checked: tuple[Served | None, float, bool] = (None, 0.0, False)

    def tick(self) -> None:
        """Bring the metrics up to date."""
        log = self.log
        self.metrics.tick(
            self.current.served,
            dict(REFUSED),
            log.waiting if log else 0,
            log.problem if log else self.log_problem,
        )

    def keep(self, logged: Sequence[Logged]) -> bool:
        """Hand predictions to the log; False if it is full."""
        return self.log is None or self.log.offer(logged)

    def is_itself(self, served: Served) -> bool:
        """Say whether the model still gives its golden rows what it gave them when it was made."""
        last, at, sound = self._checked
        if last is not served or monotonic() - at > _CHECK_SECONDS:
            try:
                served.check()
                sound = True
            except ArtifactError as error:
                _log.error("%s", error.message)
                sound = False
            self._checked = (served, monotonic(), sound)
        return sound


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """Load the model before the first request, follow the registry, and keep every prediction at the end."""
    service.current.refresh()
    if service.log is not None:
        service.log.start()
    _drain_on_sigterm(service.settings.drain_seconds)
    every = service.settings.reload_seconds
    tasks = [
        asyncio.create_task(service.current.watch(every, service.tick)),
        asyncio.create_task(asyncio.to_thread(kernel.load)),  # until then loops are interpreted
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if service.log is not None:
            await asyncio.to_thread(service.log.close, _LOG_CLOSE_SECONDS)


def _drain_on_sigterm(seconds: float) -> None:
    """Answer on for a while after SIGTERM, so that balancers see that the process is not ready any more."""
    server_ends, loop, parent = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop(), os.getppid()

    def end(number: int, _: Any) -> None:
        if callable(server_ends):
            server_ends(number, None)

    def drain(number: int, _: Any) -> None:
        if DRAINING.is_set():  # told twice: at once
            end(number, None)
            return
        DRAINING.set()
        loop.call_soon_threadsafe(loop.call_later, seconds, end, number, None)

    def watch_parent() -> None:
        if os.getppid() != parent and multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGTERM)  # a worker that nobody watches over ends
        else:
            loop.call_later(_PARENT_SECONDS, watch_parent)

    if threading.current_thread() is threading.main_thread():  # elsewhere there are no signals to hear
        signal.signal(signal.SIGTERM, drain)
        watch_parent()
