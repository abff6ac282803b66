"""Log every prediction: the event loop queues them, and a thread writes them in batches.

Predictions that `PredictionLog.offer` accepts are written in order, or counted as lost by
`PredictionLog.close`. A sink that fails is tried again until it works; meanwhile at most ``capacity``
predictions wait.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ml_sys.errors import MlsysError

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH_ROWS = 2000
PAUSE_SECONDS = 0.2  # a batch costs a wait for the disk, whatever its size
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.1, 5.0
DAY_SECONDS = 86_400
PRUNE_AGAIN_SECONDS = 600.0  # after a failure
_log = logging.getLogger(__name__)


class Logged(NamedTuple):
    """One prediction.

    Parameters
    ----------
    at : float
        When it was given, in seconds since 1970-01-01.
    version : str
        The version that gave it.
    company : str or None
        The company's id, if the caller named one.
    row : bytes
        The float32 row that the model saw. A sink stores its digest, not the row.
    noticed : tuple of str
        Blank attributes and texts unknown to the model; a sink counts them.
    """

    at: float
    version: str
    company: str | None
    row: bytes
    probability: float
    noticed: tuple[str, ...] = ()


class Sink(Protocol):
    """Where predictions are kept; ``serve.prediction_log`` names a class, which is made with a path.

    Its methods are called by one thread at a time, not necessarily the one that made it. It may have two more
    methods: ``prune(before)`` deletes some of the predictions from before a time (seconds since 1970-01-01)
    and returns whether there are more; ``forget(company)`` deletes those of a company and returns their
    number.
    """

    def write(self, predictions: Sequence[Logged]) -> None:
        """Store the predictions, all or none; they are durable when it returns.

        Any exception counts as a failure, and the same predictions come again. The first line of its text
        goes to the service's log, so it must not name a company.
        """

    def close(self) -> None:
        """Close everything."""


class PredictionLog:
    """A bounded queue of predictions, and the thread that writes what waits in it.

    Parameters
    ----------
    capacity : int
        Predictions that may wait, including those being written.
    keep_days : int
        Older predictions are deleted, a few at a time, at the start and once a day; 0 keeps them for ever.

    Attributes
    ----------
    problem : str
        Why the last write failed; empty if it succeeded.
    """

    def __init__(self, sink: Sink, capacity: int, keep_days: int = 0) -> None:
        self.problem = ""
        self._sink = sink
        self._capacity = capacity
        self._many = min(BATCH_ROWS, capacity // 2)
        self._queue: deque[Logged] = deque()
        self._lock = threading.Lock()  # the writer never takes it, so that offering never waits for a write
        self._accepted = 0  # changed only under the lock
        self._written = 0  # changed only by the writer
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._give_up_at = math.inf
        self._keep_seconds = keep_days * DAY_SECONDS
        self._prune_at = 0.0 if keep_days and hasattr(sink, "prune") else math.inf
        self._writer = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    @property
    def waiting(self) -> int:
        """Number of predictions accepted but not written yet."""
        return self._accepted - self._written

    @property
    def written(self) -> int:
        """Number of predictions written so far."""
        return self._written

    def start(self) -> None:
        """Start the writer, once, in the process that is to write."""
        self._writer.start()

    def offer(self, predictions: Sequence[Logged]) -> bool:
        """Queue predictions, all or none; never waits for a disk and may be called from any thread.

        Returns
        -------
        bool
            False if the queue has no room for them, or the log is closed.
        """
        with self._lock:
            waiting = self._accepted - self._written + len(predictions)
            if waiting > self._capacity:
                return False
            self._queue.extend(predictions)
            self._accepted += len(predictions)
        if waiting >= self._many and not self._wake.is_set():
            self._wake.set()
        return True

    def close(self, timeout: float) -> int:
        """Accept no more, write what is waiting and close the sink.

        Parameters
        ----------
        timeout : float
            Seconds after which it gives up.

        Returns
        -------
        int
            Predictions that could not be written.
        """
        with self._lock:
            if not self._closing.is_set():
                self._capacity = -1  # nothing fits any more
                self._give_up_at = time.monotonic() + timeout
                self._closing.set()
        self._wake.set()
        if self._writer.ident is None:
            self._writer.start()
        self._writer.join(timeout)
        lost = self.waiting
        if lost:
            _log.error("%d predictions could not be stored: %s", lost, self.problem or "time ran out")
        return lost

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._wake.wait(PAUSE_SECONDS)
            self._wake.clear()
            is_last = self._closing.is_set()  # seen before the queue is emptied: nothing comes after it
            while self._queue:
                size = min(len(self._queue), BATCH_ROWS)
                if not self._write([self._queue.popleft() for _ in range(size)]):
                    is_last = True  # the time to close is over, and what comes later is not tried
                    break
            if not is_last and time.monotonic() >= self._prune_at:
                self._prune()
        try:
            self._sink.close()
        except Exception as error:  # whatever a sink raises; all that it was given is durable
            _log.warning("the prediction log did not close: %s", _reason(error))

    def _write(self, batch: list[Logged]) -> bool:
        """Write a batch, retrying until it works; False if the time to close is over."""
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                self._sink.write(batch)
            except Exception as error:  # whatever a sink raises
                self._note_failure(_reason(error))
            else:
                self._written += len(batch)
                self._note_success()
                return True
            if self._closing.is_set():
                left = self._give_up_at - time.monotonic()
                if left <= 0:
                    return False
                time.sleep(min(delay, left))
            elif self._closing.wait(delay):
                delay = FIRST_RETRY_SECONDS
                continue
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    def _prune(self) -> None:
        """Delete a few of the predictions that are too old, unless some are waiting to be written."""
        sink: Any = self._sink
        try:
            has_more = sink.prune(time.time() - self._keep_seconds)
        except Exception as error:  # whatever a sink raises
            _log.warning("old predictions cannot be deleted, trying again later: %s", _reason(error))
            self._prune_at = time.monotonic() + PRUNE_AGAIN_SECONDS
        else:
            if not has_more:
                self._prune_at = time.monotonic() + DAY_SECONDS

    def _note_failure(self, reason: str) -> None:
        if not self.problem:
            _log.error("predictions cannot be stored, trying again: %s", reason)
        self.problem = reason

    def _note_success(self) -> None:
        if self.problem:
            _log.info("predictions are stored again; none was lost")
        self.problem = ""


def _reason(error: Exception) -> str:
    """Return the first line of an error; later lines of a database's message may quote the row."""
    if isinstance(error, MlsysError):
        return error.message
    return f"{type(error).__name__}: {error}".partition("\n")[0]
