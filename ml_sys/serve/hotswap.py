"""Keep a process on the production version, so that a promotion or rollback needs no restart.

The new version is loaded and verified beside the old one, in a thread, and takes its place by one assignment.
If it cannot be used, the old one stays and an alarm is raised.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ml_sys.errors import MlsysError
from ml_sys.registry.state import INDEX, TRAIL
from ml_sys.serve.served import Served, load_served
from ml_sys.text import is_rule, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_sys.registry.store import Registry
    from ml_sys.serve.prometheus import Metrics

    _Mark = tuple[tuple[int, int, int], ...]

# A version that could not be used is tried again, as its files may have been mended.
_RETRY_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Current:
    """The version that a process serves.

    Parameters
    ----------
    pinned : str or None
        The only version to serve; None follows the production version.

    Attributes
    ----------
    served : Served or None
        The version that answers now; each request reads it once.
    """

    def __init__(self, registry: Registry, pinned: str | None, metrics: Metrics) -> None:
        self.served: Served | None = None
        self._registry = registry
        self._pinned = pinned
        self._metrics = metrics
        self._seen: _Mark | None = None
        self._failed = ""

    def refresh(self) -> None:
        """Look for another version and serve it; problems go to the log."""
        try:
            wanted = self._pinned or self._registry.read().production
            if wanted is None:
                self._fail("no version is in production; promote one with mlsys promote VERSION")
                return
            if is_rule(wanted):
                self._fail(f"{named(wanted)} is in production and gives no probabilities; pin a version")
                return
            if self.served is not None and not self._differs(wanted):
                self._recovered()
                return
            served = load_served(self._registry, wanted, self.served)
        except MlsysError as error:
            self._fail(f"{error.message}" + (f" ({error.hint})" if error.hint else ""))
        except Exception:
            _log.exception("the production version cannot be loaded")
            self._fail("an unexpected failure")
        else:
            before, self.served = self.served, served
            self._failed = ""
            self._metrics.serving(served)
            if before is not None:
                _log.info("serving version %s in place of %s", served.version, before.version)
            if not served.facts["compiled"]:
                _log.warning("version %s is scored through its Pipeline, which is slower", served.version)

    async def watch(self, every_seconds: float, tick: Callable[[], None]) -> None:
        """Refresh whenever the registry's files change, and for a while after a failure; runs forever.

        Parameters
        ----------
        tick : callable
            Called each time.
        """
        loop, tried = asyncio.get_running_loop(), 0.0
        while True:
            try:
                tick()
            except Exception:  # a full disk under the shared counters must not end the watch
                _log.exception("the metrics cannot be updated")
            mark = await asyncio.to_thread(self._mark)
            again = bool(self._failed) and loop.time() - tried >= _RETRY_SECONDS
            changed = mark != self._seen and self._pinned is None
            if changed or again:
                tried, self._seen = loop.time(), mark
                await asyncio.to_thread(self.refresh)
            await asyncio.sleep(every_seconds)

    def _differs(self, wanted: str) -> bool:
        assert self.served is not None  # noqa: S101 - asked by the caller
        return (
            wanted != self.served.version or self._registry.read().versions[wanted].seal != self.served.seal
        )

    def _fail(self, why: str) -> None:
        if why != self._failed:  # one line per problem, not per attempt
            now = f"version {self.served.version} stays in service" if self.served else "nothing is served"
            _log.error("the production version cannot be used, %s: %s", now, why)
            self._metrics.reload_failed()
        self._failed = why

    def _recovered(self) -> None:
        """Note that production came back to the version that is served."""
        if self._failed:
            self._failed = ""
            self._metrics.settled()

    def _mark(self) -> _Mark:
        """Return a mark that changes with the registry, without reading it."""
        found = []
        for name in (INDEX, TRAIL):
            try:
                stat = (self._registry.root / name).stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)
