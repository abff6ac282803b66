"""Map a function over partitions, wherever the settings say.

What runs is a pure function of its partition, so that a result is the same wherever it was made, beside
however many others, and however often it was begun. A worker that dies costs the tasks that it had in hand.
"""

from __future__ import annotations

import contextlib
import logging
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from ml_sys.engine.processes import LostWorkerError, cores, in_processes
from ml_sys.engine.storage import Storage
from ml_sys.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ml_sys.engine.cluster import Cluster
    from ml_sys.settings import EngineSettings

P = TypeVar("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

# Deaths of workers, with nothing done between them, after which another try is of no use.
MOST_DEATHS = 3
# Parts of a snapshot below which no other process is started for them unless it is asked for.
FEW_PARTS = 256


@dataclass(frozen=True)
class Engine:
    """Where partitions run, and how many side by side.

    Attributes
    ----------
    kind : str
        ``"local"`` for processes of this machine, ``"dask"`` for a cluster.
    workers : int
        Parallel processes; 0 takes as many as cores and memory allow. A cluster elsewhere has its own.
    address : str
        Of the cluster's scheduler, as ``"tcp://10.0.0.5:8786"``; empty starts a cluster on this machine.
    storage : Storage, optional
        Where workers of a cluster read snapshots; without one they see the artifacts folder as it is here.
    code : callable
        Says, here and on each worker of a cluster, which code of the user's own functions run: versions and
        digests by name. Those of mlsys and of the libraries are compared in any case.
    """

    kind: Literal["local", "dask"] = "local"
    workers: int = 0
    address: str = ""
    storage: Storage | None = None
    code: Callable[[], Mapping[str, str]] = field(default=dict, compare=False)

    @classmethod
    def of(cls, settings: EngineSettings, code: Callable[[], Mapping[str, str]] = dict) -> Engine:
        """Return the engine that the settings describe; processes of this machine need no storage."""
        elsewhere = settings.storage if settings.kind == "dask" else ""
        storage = Storage(elsewhere, settings.cache_mb) if elsewhere else None
        return cls(settings.kind, settings.workers, settings.address, storage, code)

    def for_parts(self, count: int) -> Engine:
        """Return where so many parts of a snapshot are best worked on: a few are done right here.

        Starting a process takes as long as some parts do; whoever names a number of workers gets them.
        """
        here = self.kind == "local" and not self.workers and count < FEW_PARTS
        return replace(self, workers=1) if here else self

    @property
    def is_here(self) -> bool:
        """Whether partitions run one after the other in this process."""
        return self.kind == "local" and self.workers == 1

    def map(
        self,
        function: Callable[[P], R],
        partitions: Sequence[P],
        *,
        on_done: Callable[[int, R], object] = lambda *_: None,
    ) -> list[R]:
        """Return what a function makes of each partition, in their order.

        Parameters
        ----------
        function : callable
            Pure, and sent to each worker once. Bind what all partitions share to it, by `functools.partial`.
        partitions : sequence
            What the function takes, one at a time.
        on_done : callable
            Called here with the number of a partition and its result as soon as that is there.

        Raises
        ------
        EngineError
            If workers die again and again, no cluster answers, or a worker's code is not the code here.
        """
        found: dict[int, R] = {}

        def keep(number: int, result: R) -> None:
            found[number] = result
            on_done(number, result)

        self.each(function, partitions, keep)
        return [found[number] for number in range(len(partitions))]

    def each(
        self, function: Callable[[P], R], partitions: Sequence[P], on_done: Callable[[int, R], object]
    ) -> None:
        """Do the same as :meth:`map`, but keep no result: each is there for ``on_done`` alone.

        Raises
        ------
        EngineError
            As :meth:`map`.
        """
        missing, deaths = dict(enumerate(partitions)), 0
        if not missing:
            return
        with self._running(function, len(missing)) as run:
            while missing:
                try:
                    for number, result in run(dict(missing), deaths):
                        del missing[number]
                        deaths = 0
                        on_done(number, result)
                except LostWorkerError as lost:
                    deaths += 1
                    if deaths == MOST_DEATHS:
                        raise EngineError(
                            f"workers died {deaths} times, with nothing done in between",
                            hint="most likely memory is short: set engine.workers lower",
                        ) from lost
                    log.warning("a worker died: %d of %d tasks run again", len(missing), len(partitions))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Have everything within share one cluster, which the first to need it opens and the end closes."""
        if self.kind == "local" or _held_by(self) is not None:
            yield
            return
        with contextlib.ExitStack() as stack:
            token = _held.set(_Held(self, stack))
            stack.callback(_held.reset, token)
            yield

    @contextlib.contextmanager
    def cluster(self, most: int | None = None) -> Iterator[Cluster]:
        """Give the cluster that is held or, for this alone, one of at most so many workers.

        Raises
        ------
        EngineError
            If no cluster answers.
        """
        held = _held_by(self)
        if held is not None:
            yield held.cluster()
            return
        with _connected(self, most) as cluster:
            yield cluster

    @contextlib.contextmanager
    def _running(
        self, function: Callable[[P], R], count: int
    ) -> Iterator[Callable[[Mapping[int, P], int], Iterator[tuple[int, R]]]]:
        """Give what runs partitions, after so many deaths, and yields numbers and results as they come."""
        if self.kind == "local":
            yield partial(in_processes, function, self.workers)
            return
        with self.cluster(count) as cluster:
            yield partial(cluster.run, function, self.code)


class _Held:
    """A cluster that several pieces of work share, opened when the first asks for it."""

    def __init__(self, engine: Engine, stack: contextlib.ExitStack) -> None:
        self.engine = engine
        self._stack = stack
        self._cluster: Cluster | None = None

    def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = self._stack.enter_context(_connected(self.engine, None))
        return self._cluster


_held: ContextVar[_Held | None] = ContextVar("held", default=None)


def _held_by(engine: Engine) -> _Held | None:
    held = _held.get()
    return held if held is not None and held.engine == engine else None


def _connected(engine: Engine, most: int | None) -> contextlib.AbstractContextManager[Cluster]:
    from ml_sys.engine.cluster import connected

    workers = engine.workers or cores()
    return connected(engine.address, workers if most is None else min(workers, most))
