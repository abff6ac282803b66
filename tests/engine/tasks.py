"""Tasks that workers of other processes find here: pure ones, and one whose worker is killed once."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

import numpy as np

from tests.serve.servers import until

WEIGHTS = np.random.default_rng(0).normal(size=200_000)  # large enough to be shared, not copied


def rotated(weights: np.ndarray, number: int) -> np.ndarray:
    """Return some numbers whose last bits depend on the order of additions."""
    return np.cumsum(np.roll(weights, number))[:: weights.size // 10]


def where(number: int) -> int:
    return os.getpid()


def name_worker(name: str) -> None:
    os.environ["WORKER"] = name


def failing(number: int) -> int:
    raise KeyError(f"task {number}")


def killed_once(folder: Path, victim: int, weights: np.ndarray, number: int) -> np.ndarray:
    """Leave a file for each time that a task runs; the victim's first run ends with its worker."""
    (folder / f"ran-{number}-{uuid.uuid4().hex}").touch()
    if number == victim and len(runs(folder, victim)) == 1:
        until(lambda: (folder / "done").exists())
        os.kill(os.getpid(), signal.SIGKILL)
    return rotated(weights, number)


def killed_first(folder: Path, number: int) -> int:
    """End with the worker in the first run of each task, once what comes before it is done."""
    if not runs(folder, number):
        until(lambda: all((folder / f"done-{one}").exists() for one in range(number)))
        (folder / f"ran-{number}-").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def slowly(number: int) -> int:
    time.sleep(0.5)
    return number


def endless(number: int) -> None:
    time.sleep(3600)


def always_killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


class Deadly:
    """What costs workers that read it their lives, some of the first spared, before they have a task."""

    def __init__(self, folder: Path, times: int = 1, spared: int = 0) -> None:
        self.read = folder, times, spared, os.getpid()

    def __reduce__(self) -> tuple[object, ...]:
        return _read, self.read


def _read(folder: Path, times: int, spared: int, here: int) -> Deadly:
    if os.getpid() != here and (before := len(runs(folder, here))) < spared + times:
        (folder / f"ran-{here}-{uuid.uuid4().hex}").touch()
        if before >= spared:
            os.kill(os.getpid(), signal.SIGKILL)
    read = Deadly(folder, times, spared)
    read.read = folder, times, spared, here  # also for whom this worker gives it to
    return read


def beside(_: object, number: int) -> int:
    return number


def beside_another(deadly: Deadly, number: int) -> int:
    """Return once a second worker has read it as well."""
    folder, *_, here = deadly.read
    until(lambda: len(runs(folder, here)) > 1)
    return number


def runs(folder: Path, number: int) -> list[Path]:
    return list(folder.glob(f"ran-{number}-*"))
