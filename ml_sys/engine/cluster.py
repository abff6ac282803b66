"""Run partitions on a Dask cluster, whose workers have to have the code that runs here."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
from concurrent.futures import CancelledError
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ml_sys.engine.processes import LostWorkerError
from ml_sys.engine.storage import clear_kept
from ml_sys.errors import EngineError, SnapshotError, StorageError
from ml_sys.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distributed import Client

P = TypeVar("P")
R = TypeVar("R")
Code = dict[str, str]

_SECONDS = 10
# What the workers of a cluster on this machine write goes into a folder whose name begins so.
_SCRATCH = "mlsys-dask"
# Of the pages that Dask shows of itself: any that is free, and for this machine alone.
_PAGES = "127.0.0.1:0"
_PACKAGE, _DISTRIBUTION = Path(__file__).parents[1], "ml-sys"
# What a result can depend on, by one of its names; as many as are installed.
_LIBRARIES = (
    ("imbalanced-learn",), ("lightgbm",), ("numba",), ("numpy",), ("pandas",), ("pyarrow",),
    ("scikit-learn",), ("scipy",), ("xgboost", "xgboost-cpu"),
)  # fmt: skip
_SHOWN, _DIGITS = 3, 20
# What Dask raises where no scheduler answers; a timeout is an OSError.
_SILENT = (OSError, RuntimeError, CancelledError)
# Codes that have been found to be the code of this worker.
_known: set[str] = set()


class Cluster:
    """A Dask cluster with a worker at least."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._used = False

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
            If a worker has no mlsys or other code, or there is none.
        """
        self._refuse_without_mlsys()
        found = self.workers()
        if not found:
            raise EngineError("the Dask cluster has no worker any more", hint="start one by `dask worker`")
        self.client.run(_same_code, dict, code_here(dict), workers=found)
        return found

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
            If a worker has no mlsys or other code, or if one task has killed several.
        LostWorkerError
            If the function is lost.
        """
        from distributed import KilledWorker, as_completed

        here = code_here(code)
        with _answering():
            self._refuse_without_mlsys()
            if not self._used:  # a command that was killed may have left some
                self.client.run(clear_kept)
            self._used = True
            sent = self.client.scatter(function, broadcast=True, hash=False)
        futures = {
            self.client.submit(_checked, sent, code, here, one, pure=False): number
            for number, one in partitions.items()
        }
        try:
            for future in as_completed(futures, loop=self.client.loop):
                try:
                    result = future.result()
                except CancelledError as cancelled:  # what it depends on, the function, is lost
                    self.workers()  # or is it the scheduler that is lost
                    raise LostWorkerError(str(cancelled)) from cancelled
                except KilledWorker as killed:
                    raise EngineError(
                        "several workers died over the same task",
                        hint="most likely memory is short: give the workers more, or fewer threads each",
                    ) from killed
                yield futures[future], result
                future.release()
        finally:
            with contextlib.suppress(*_SILENT):  # a scheduler that is gone has nothing left to cancel
                self.client.cancel([*futures, sent])

    def clear(self) -> None:
        """Have the workers remove what they keep of a storage, as far as they are still there."""
        if self._used:
            with contextlib.suppress(*_SILENT):
                self.client.run(clear_kept, on_error="ignore")

    def _refuse_without_mlsys(self) -> None:
        """Ask for the version by a function of Python's own, which a worker without mlsys can run as well."""
        versions = self.client.run(package_version, _DISTRIBUTION, on_error="return")
        for worker, version in versions.items():
            if not isinstance(version, str):
                raise EngineError(f"Dask worker {worker} has no mlsys", hint="install the same version there")


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
        for name in ("distributed", "distributed.client"):
            stack.enter_context(_quiet(logging.getLogger(name)))
        try:
            at: str | LocalCluster = address
            if not address:
                folder = str(stack.enter_context(scratch_folder(_SCRATCH)))
                stack.enter_context(dask.config.set({"temporary-directory": folder}))  # the scheduler's
                at = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=_PAGES,
                    local_directory=folder,
                    silence_logs=logging.CRITICAL,  # what goes wrong is raised here, in one line
                )
                stack.enter_context(at)
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
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Leave out what a logger has to say beside the error that is raised."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Say in one line that the scheduler does not answer."""
    try:
        yield
    except EngineError:
        raise
    except _SILENT as error:
        raise _lost_scheduler() from error


def _lost_scheduler() -> EngineError:
    """Return the error of a scheduler that was there and is not any more."""
    return EngineError("the Dask scheduler was lost", hint="start it anew, and run the command again")


def _as_it_was(before: Mapping[str, str]) -> None:
    """Undo what Dask leaves in this process's environment for its workers, such as one thread for BLAS."""
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def code_here(code: Callable[[], Mapping[str, str]]) -> Code:
    """Return versions and digests of the code that runs in this process, by name."""
    found = {"Python": ".".join(map(str, sys.version_info[:2])), "mlsys": _sources(), **code()}
    for names in _LIBRARIES:
        for name in names:
            with contextlib.suppress(PackageNotFoundError):
                found[names[0]] = package_version(name)
    return found


@cache
def _sources() -> str:
    """Return the version of mlsys, and a digest of its source: a working copy changes without the version."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return f"{package_version(_DISTRIBUTION)} ({digest.hexdigest()[:8]})"


def _checked(function: Callable[[P], R], code: Callable[[], Mapping[str, str]], theirs: Code, one: P) -> R:
    """Run a partition on a worker, once its code is known to be that of the client.

    What it cannot read or write is on another machine, which has to be named.
    """
    _same_code(code, theirs)
    try:
        return function(one)
    except (EngineError, SnapshotError, StorageError) as error:
        raise type(error)(f"Dask worker {_this_worker()}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise EngineError(
            f"Dask worker {_this_worker()}: {error}",
            hint="check the disk, TMPDIR and the limits of that machine, and run the command again",
        ) from error


def _this_worker() -> str:
    from distributed import get_worker

    try:
        return get_worker().address
    except ValueError:  # called in a process that is none
        return "unknown"


def _same_code(code: Callable[[], Mapping[str, str]], theirs: Code) -> None:
    """Refuse a worker whose code is not that of the client."""
    known = json.dumps(theirs, sort_keys=True)
    if known not in _known:
        ours = code_here(code)
        differs = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
        if differs:
            told = ", ".join(
                f"{name} is {_short(ours.get(name))} there and {_short(theirs.get(name))} here"
                for name in differs[:_SHOWN]
            )
            raise EngineError(
                f"a Dask worker has other code: {told}",
                hint="install the same on every worker, and start it anew",
            )
        _known.add(known)


def _short(version: str | None) -> str:
    return "missing" if version is None else version[:_DIGITS]
