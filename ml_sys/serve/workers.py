"""Run several processes on one socket, and restart any that die."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from ml_sys.serve.http.ending import ending_signals

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess

CANNOT_START = 3  # exit code of a worker that would fail again
_WATCH_SECONDS = 0.5
_log = logging.getLogger(__name__)


def run_workers(
    work: Callable[..., None], application: Any, sockets: Sequence[socket.socket], n: int
) -> None:
    """Keep ``n`` processes running ``work(application, sockets)`` until this one is told to end.

    Parameters
    ----------
    application : object
        Pickled for each process.
    sockets : sequence of socket
        Closed here once the workers are told to end, or connections would be accepted that nobody answers.
    """
    told: list[int] = []
    for number in (signal.SIGINT, *ending_signals()):
        signal.signal(number, lambda number, _: told.append(number))
    context = multiprocessing.get_context("spawn")

    def start() -> BaseProcess:
        process = context.Process(target=work, args=(application, sockets))
        process.start()
        return process

    workers = [start() for _ in range(n)]
    failed = False
    while not told and not failed:
        wait([worker.sentinel for worker in workers], _WATCH_SECONDS)
        for at, worker in enumerate(workers):
            if worker.is_alive() or told:
                continue
            failed = worker.exitcode == CANNOT_START
            if failed:
                break
            _log.warning("worker %s ended with code %s; starting another", worker.pid, worker.exitcode)
            workers[at] = start()
    for worker in workers:
        worker.terminate()
    for one in sockets:
        one.close()
    for worker in workers:
        worker.join()
    if failed:
        sys.exit(1)
