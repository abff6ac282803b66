"""What the parts of one server process share, and its life from start to end."""

from __future__ import annotations

import asyncio
import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from ml_sys import kernel
from ml_sys.errors import ArtifactError
from ml_sys.serve.http.ending import Ending
from ml_sys.serve.http.guard import REFUSED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ml_sys.serve.companies import CompanyLookup
    from ml_sys.serve.hotswap import Current
    from ml_sys.serve.prediction_log import Logged, PredictionLog
    from ml_sys.serve.prometheus import Metrics
    from ml_sys.serve.served import Served
    from ml_sys.settings import ServeSettings

# A model that reproduced its golden rows this recently is not checked again.
_CHECK_SECONDS = 1.0
_LOG_CLOSE_SECONDS = 10.0
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Service:
    """What the parts of one server process share.

    Attributes
    ----------
    current : Current
        The version that answers.
    log_problem : str
        Why predictions are not stored although the settings ask for it; empty if they are.
    thread : ThreadPoolExecutor
        One thread for work that would block the event loop.
    """

    current: Current
    metrics: Metrics
    log: PredictionLog | None
    companies: CompanyLookup
    settings: ServeSettings
    log_problem: str = ""
    ending: Ending = field(default_factory=Ending)
    thread: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "aside"))
    _checked: tuple[Served | None, float, bool] = (None, 0.0, False)

    def aside(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Run slow work in its one thread, so that the event loop is never blocked.

        More threads would only take turns with the event loop and make it wait for each of them.
        """
        return asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)

    def tick(self) -> None:
        """Update the metrics."""
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
        """Return whether the model still reproduces its golden rows."""
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


def settle() -> None:
    """Do what need not be done before the first answer: until then loops are interpreted.

    What is there by then stays: to look through all of it for garbage again would stop every request, for a
    tenth of a second each time.
    """
    kernel.load()
    gc.freeze()


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """Load the model before the first request, follow the registry, and keep every prediction at the end."""
    service.current.refresh()
    if service.log is not None:
        service.log.start()
    service.ending.follow_sigterm(service.settings.drain_seconds)
    every = service.settings.reload_seconds
    tasks = [
        asyncio.create_task(service.current.watch(every, service.tick)),
        asyncio.create_task(asyncio.to_thread(settle)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        service.thread.shutdown(wait=False, cancel_futures=True)
        if service.log is not None:
            await asyncio.to_thread(service.log.close, _LOG_CLOSE_SECONDS)
