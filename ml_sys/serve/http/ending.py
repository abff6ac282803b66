"""Shut down without failing a request: announce it, keep answering, and let callers leave first."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 2.0
# The server closes idle connections when it stops listening. So answers wait this long before, in which busy
# callers send their next request.
_GATHERING_SECONDS = 0.3
# Workers stop listening within this time of each other, even on busy cores.
_WORKERS_APART_SECONDS = 0.5
_PARENT_SECONDS = 1.0


class Ending:
    """The shutdown of this process, as seen by the parts that answer.

    A caller whose connection is closed opens another one. So no connection may be closed before all workers
    have stopped listening: once the end is near, answers wait for that moment, and each closes its
    connection.

    Parameters
    ----------
    listening : socket, optional
        The server closes it when it stops listening.
    apart : bool
        Whether other workers listen too, and stop a little later.

    Attributes
    ----------
    is_begun : bool
        Whether the process was told to end: it still answers, but says that it is not ready.
    is_near : bool
        Whether the server was told to end: it is about to stop listening, or has.
    """

    def __init__(self, listening: socket.socket | None = None, *, apart: bool = False) -> None:
        self.is_begun = self.is_near = False
        self._listening = listening
        self._apart = apart

    async def stopped_listening(self) -> None:
        """Wait until no worker accepts connections any more."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + _LONGEST_POLL_SECONDS
        while self._listening is not None and self._listening.fileno() >= 0 and loop.time() < latest:
            await asyncio.sleep(_POLL_SECONDS)
        if self._apart:
            await asyncio.sleep(_WORKERS_APART_SECONDS)

    def follow_sigterm(self, seconds: float) -> None:
        """Keep answering for a while after SIGTERM, so that balancers see that the process is not ready.

        A hang-up means the same, unless it is ignored, as by nohup.
        """
        server_ends, loop, parent = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop(), os.getppid()

        def end() -> None:
            if callable(server_ends):
                server_ends(signal.SIGTERM, None)

        def gather() -> None:
            self.is_near = True
            loop.call_later(_GATHERING_SECONDS, end)

        def drain(_number: int, _frame: Any) -> None:
            if self.is_begun:  # told twice: at once
                self.is_near = True
                end()
                return
            self.is_begun = True
            loop.call_soon_threadsafe(loop.call_later, seconds, gather)

        def watch_parent() -> None:
            if os.getppid() != parent and multiprocessing.parent_process() is not None:
                os.kill(os.getpid(), signal.SIGTERM)  # a worker that nobody watches over ends
            else:
                loop.call_later(_PARENT_SECONDS, watch_parent)

        if threading.current_thread() is threading.main_thread():  # elsewhere there are no signals to hear
            for number in ending_signals():
                signal.signal(number, drain)
            watch_parent()


def ending_signals() -> list[int]:
    """Return the signals that end a server: SIGTERM, and SIGHUP where there is one and nobody ignores it."""
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is None or signal.getsignal(hang_up) == signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, hang_up]
