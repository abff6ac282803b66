"""Run partitions on a Dask cluster, whose workers have to have the code that runs here."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from concurrent.futures import CancelledError
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from platform import python_version
from typing import TYPE_CHECKING, Any, TypeVar

from ml_sys.engine.processes import LostWorkerError
from ml_sys.engine.storage import clear_kept
from ml_sys.engine.versions import PACKAGES, code_here, refuse_other_code, versions, versions_here
from ml_sys.engine.worker import checked, same_code
from ml_sys.errors import EngineError
from ml_sys.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from distributed import Client, Future

P = TypeVar("P")
R = TypeVar("R")

_SECONDS = 10
# Between two looks at what is done, and at whether there are workers; seconds that one is waited for, and
# between two tries of what one died over.
_SOON, _LOOK, _PATIENCE, _AGAIN = 0.01, 10, 60, 0.5
# Tasks that each worker is given to begin with (more of them Dask spreads for itself), and tries to send.
_EACH, _TRIES = 2, 10
# What the workers of a cluster on this machine write goes into a folder whose name begins so.
_SCRATCH = "mlsys-dask"
# Of the pages that Dask shows of itself: any that is free, and for this machine alone.
_PAGES = "127.0.0.1:0"
# What Dask raises where no scheduler answers; a timeout is an OSError, and a client that has just lost its
# scheduler looks for something in None.
_SILENT = (OSError, RuntimeError, CancelledError, AttributeError)


class Cluster:
    """A Dask cluster with a worker at least."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._used = False
        self._compared: frozenset[str] | None = None

    def workers(self) -> list[str]:
        """Return the addresses of the workers that are there, in the order in which XGBoost numbers them.

        Raises
        ------
        EngineError
            If the scheduler is gone.
        """
        if self.client.status == "closed":  # it has given up
            raise _lost_scheduler()
        with _answering():
            self.client.run_on_scheduler(os.getpid)  # what comes next may be from memory
        found = self.client.scheduler_info(n_workers=-1)["workers"]
        return sorted(found, key=lambda address: f"{found[address]['name']}]:{address}")

    def checked_workers(self) -> list[str]:
        """Return the same, once the code of each is known to be the code here.

        Raises
        ------
        EngineError
            If a worker has no mlsys or other code, or there is none for long.
        """

        def check() -> list[str]:
            self._refuse_other_versions()
            found = self.workers()
            if not found:
                raise LostWorkerError("none is left")
            self.client.run(same_code, dict, code_here(dict), workers=found)
            return found

        return self._by_workers(check)

    def run(
        self,
        function: Callable[[P], R],
        code: Callable[[], Mapping[str, str]],
        partitions: Mapping[int, P],
        deaths: int = 0,  # noqa: ARG002  # a cluster has its own view of how many run side by side
    ) -> Iterator[tuple[int, R]]:
        """Run partitions on the workers, and yield their numbers and results as they come.

        What a worker that dies had in hand, the scheduler gives to others. Only where the last one dies that
        holds the function has it to be sent anew.

        Raises
        ------
        EngineError
            If a worker has no mlsys or other code, none is there for long, or one task has killed several.
        LostWorkerError
            If the function is lost.
        """
        from distributed import KilledWorker

        here, sent = code_here(code), self._sent(function)
        # One worker has the function: the others fetch it with tasks that else would be given to that one.
        first = dict(zip(partitions, self.workers() * _EACH, strict=False))
        futures: dict[Future[R], int] = {}
        for number, one in partitions.items():
            told, to = (checked, sent, code, here, one), first.get(number)
            future = self.client.submit(*told, pure=False, workers=to, allow_other_workers=bool(to))
            futures[future] = number
        try:
            for future in self._done(futures):
                try:
                    result = future.result()
                except CancelledError as cancelled:  # what it depends on, the function, is lost
                    self.workers()  # or is it the scheduler that is lost
                    raise LostWorkerError(str(cancelled)) from cancelled
                except KilledWorker as killed:
                    raise _dying() from killed
                yield futures[future], result
                future.release()
        finally:
            with contextlib.suppress(*_SILENT):  # a scheduler that is gone has nothing left to cancel
                self.client.cancel([*futures, sent])

    def _sent(self, function: Callable[[P], R]) -> Future[Any]:
        """Send a function to one worker, once none is known to be without mlsys.

        To all, Dask would never have sent it where one dies over it and another does not.
        """

        def send() -> Future[Any]:
            self._refuse_other_versions()
            if not self._used:  # a command that was killed may have left some
                self.client.run(clear_kept, on_error="ignore")
            self._used = True
            sent: Future[Any] = self.client.scatter(function, hash=False, timeout=_PATIENCE)
            return sent

        return self._by_workers(send)

    def _by_workers(self, step: Callable[[], R]) -> R:
        """Do what takes a worker, and do it again where one dies over it: others come, or the same anew.

        Raises
        ------
        EngineError
            If the scheduler is gone, none comes for long, or each that does dies over this.
        """
        began, tries = time.monotonic(), 0
        while True:
            tried = tries
            try:
                self.client.wait_for_workers(1, timeout=_PATIENCE)
                tries += 1
                return step()
            except (*_SILENT, LostWorkerError) as error:
                gone = not self.workers() and tried == tries  # none came; to send may take longer as well
                if time.monotonic() > began + _PATIENCE and (gone or tries >= _TRIES):
                    raise (_no_worker() if gone else _dying()) from error
            time.sleep(_AGAIN)

    def _done(self, futures: Iterable[Future[Any]]) -> Iterator[Future[Any]]:
        """Yield what is done as it comes; give up where no worker is there for long."""
        from distributed import as_completed

        waiting = as_completed(futures, loop=self.client.loop)
        there = looked = time.monotonic()
        while waiting.count():
            now = time.monotonic()
            if waiting.has_ready():
                yield from waiting.next_batch(block=False)
                there = looked = time.monotonic()
            elif now < looked + _LOOK:
                time.sleep(_SOON)
            else:
                looked = now
                there = now if self.workers() else there
                if now > there + _PATIENCE:
                    raise _no_worker()

    def clear(self) -> None:
        """Have the workers remove what they keep of a storage, as far as they are still there."""
        if self._used:
            with contextlib.suppress(*_SILENT):
                self.client.run(clear_kept, on_error="ignore")

    def _refuse_other_versions(self) -> None:
        """Compare versions before anything is sent, by functions of Python's own, which any worker has."""
        workers = frozenset(self.workers())
        if workers == self._compared:
            return
        with _answering():
            pythons = self.client.run(python_version, on_error="return")
            told = {
                package: self.client.run(package_version, package, on_error="return")
                for packages in PACKAGES.values()
                for package in packages
            }
        for worker, python in pythons.items():
            theirs = {package: found.get(worker) for package, found in told.items()}
            if not isinstance(python, str) or not all(
                isinstance(one, str | PackageNotFoundError) for one in theirs.values()
            ):
                continue  # it died meanwhile
            installed = {package: one for package, one in theirs.items() if isinstance(one, str)}
            if not installed.keys() & PACKAGES["mlsys"]:
                raise EngineError(f"Dask worker {worker} has no mlsys", hint="install the same version there")
            refuse_other_code(worker, versions(python, installed.get), versions_here())
        self._compared = workers


@contextlib.contextmanager
def connected(address: str, workers: int) -> Iterator[Cluster]:
    """Connect to a cluster's scheduler; without an address, start one here, which ends with the work.

    Raises
    ------
    EngineError
        If Dask is not installed, no scheduler answers, or it has no worker.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise EngineError('engine.kind = "dask" needs Dask', hint='pip install "ml-sys[dask]"') from error

    with contextlib.ExitStack() as stack:
        before = dict(os.environ)
        stack.callback(_as_it_was, before)
        for name in ("distributed", "distributed.client"):  # what they would say is raised
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        try:
            at: str | LocalCluster = address
            if not address:
                folder = str(stack.enter_context(scratch_folder(_SCRATCH)))
                stack.enter_context(dask.config.set({"temporary-directory": folder}))  # the scheduler's
                here = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=_PAGES,
                    local_directory=folder,
                    silence_logs=logging.CRITICAL,  # what goes wrong is raised here, in one line
                )
                at = stack.enter_context(here)
            client = stack.enter_context(Client(at, timeout=_SECONDS, set_as_default=False))
            client.wait_for_workers(1, timeout=_SECONDS)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise EngineError(
                f"engine.address: no Dask scheduler with a worker answers at {address!r}",
                hint="start one by `dask scheduler`, and workers by `dask worker ADDRESS --nthreads 1`",
            ) from error
        _as_it_was(before)  # and again in the end, for workers that are started anew
        cluster = Cluster(client)
        stack.callback(cluster.clear)
        yield cluster


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Say in one line that the scheduler does not answer."""
    try:
        yield
    except _SILENT as error:
        raise _lost_scheduler() from error


def _lost_scheduler() -> EngineError:
    """Return the error of a scheduler that was there and is not any more."""
    return EngineError("the Dask scheduler was lost", hint="start it anew, and run the command again")


def _no_worker() -> EngineError:
    return EngineError(
        "the Dask cluster has no worker any more",
        hint="start one by `dask worker`, and run the command again",
    )


def _dying() -> EngineError:
    return EngineError(
        "several workers died over the same task",
        hint="most likely memory is short: give the workers more, or fewer threads each",
    )


def _as_it_was(before: Mapping[str, str]) -> None:
    """Undo what Dask leaves in this process's environment for its workers, such as one thread for BLAS."""
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
