"""Run partitions in processes of this machine, as many as cores and memory allow."""

from __future__ import annotations

import atexit
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from functools import cache, partial
from pathlib import Path
from pickle import PicklingError
from shutil import disk_usage
from typing import TYPE_CHECKING, TypeVar

from ml_sys.errors import EngineError
from ml_sys.scratch import clear_scratch, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

P = TypeVar("P")
R = TypeVar("R")

_MEMORY = Path("/proc/meminfo")
# What the processes of a container may take together, and what they have taken.
_CONTAINER = Path("/sys/fs/cgroup")
# A file system in memory, and the bytes that have to be free in it before arrays are shared there.
_SHARED_MEMORY, _MUCH = Path("/dev/shm"), 2_000_000_000  # noqa: S108  # what is made there has a name of its own
_SCRATCH = "mlsys-shared"


class LostWorkerError(Exception):
    """A worker died, and what was in hand has no result."""


def in_processes(
    function: Callable[[P], R], workers: int, partitions: Mapping[int, P], deaths: int = 0
) -> Iterator[tuple[int, R]]:
    """Run partitions side by side, and yield their numbers and results as they come.

    Where as many processes of the size of this one as there are cores would not fit into memory, the first
    partition runs alone and is measured.

    Parameters
    ----------
    workers : int
        Processes at most; 0 takes one for each core, as far as memory allows. One runs partitions right here.
    deaths : int
        Workers that died before: after each half as many run side by side, and in the end one at a time.

    Raises
    ------
    LostWorkerError
        If a worker dies.
    EngineError
        If there is no room for what processes share.
    """
    count = min(workers or cores(), len(partitions))
    if count == 1 and not deaths:
        yield from ((number, function(one)) for number, one in partitions.items())
        return
    waiting = dict(partitions)
    count = max(1, count >> deaths)
    memory, here = free_memory(_MEMORY, _CONTAINER), peak_memory()
    if not workers and count > 1 and memory is not None and here is not None and count * here > memory:
        number = next(iter(waiting))
        first = {number: waiting.pop(number)}
        for _, (result, peak) in _side_by_side(partial(_measured, function), first, 1):
            yield number, result
            count = max(1, min(count, memory // (peak or here)))
    yield from _side_by_side(function, waiting, count)


def cores() -> int:
    """Return how many processor cores this process may use."""
    import joblib

    found: int = joblib.cpu_count()
    return found


def free_memory(meminfo: Path, container: Path) -> int | None:
    """Return the bytes that processes may still take, here and in this container; None if unknown."""
    found = []
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):  # not Linux
        pass
    try:
        most, taken = (
            (container / f"memory.{name}").read_text(encoding="ascii") for name in ("max", "current")
        )
        found.append(max(0, int(most) - int(taken)))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        pass
    return min(found, default=None)


def peak_memory() -> int | None:
    """Return the bytes that this process took at most; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _measured(function: Callable[[P], R], partition: P) -> tuple[R, int | None]:
    return function(partition), peak_memory()


def _numbered(function: Callable[[P], R], number: int, partition: P) -> tuple[int, R]:
    return number, function(partition)


def _side_by_side(
    function: Callable[[P], R], partitions: Mapping[int, P], count: int
) -> Iterator[tuple[int, R]]:
    import joblib

    folder = _shared_folder(os.getpid())
    # One process would be this one, which must outlive its tasks: so two, of which one is given work.
    parallel = joblib.Parallel(
        n_jobs=max(2, count),
        pre_dispatch=count,
        batch_size=1,
        return_as="generator_unordered",
        temp_folder=str(folder),
    )
    tasks = (joblib.delayed(_numbered)(function, number, one) for number, one in partitions.items())
    try:
        yield from parallel(tasks)
    except BrokenProcessPool as broken:
        raise LostWorkerError(str(broken)) from broken
    except PicklingError as error:
        said = str(error.__cause__ or error).strip('\n"').splitlines()[-1]
        raise EngineError(
            f"{folder.parent}: what processes share cannot be written: {said}",
            hint="free some space there, or name another folder in JOBLIB_TEMP_FOLDER",
        ) from error


@cache
def _shared_folder(process: int) -> Path:  # noqa: ARG001  # a copy of this process has its own
    """Make a folder for arrays that processes share, which is gone when this process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(scratch_folder(_SCRATCH, _place()))


def clear_shared() -> None:
    """Remove arrays that killed processes shared."""
    clear_scratch(_SCRATCH, _place())


def _place() -> Path | None:
    """Return where such arrays are best: in memory that is shared, where there is enough of it."""
    named = os.environ.get("JOBLIB_TEMP_FOLDER")
    if named:
        return Path(named)
    with suppress(OSError):
        if disk_usage(_SHARED_MEMORY).free > _MUCH and os.access(_SHARED_MEMORY, os.W_OK):
            return _SHARED_MEMORY
    return None
