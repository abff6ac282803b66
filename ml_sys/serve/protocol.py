"""What uvicorn does not bound: the size of a request's head, how long it takes to arrive, requests in hand.

:class:`LimitedProtocol` refuses before the application is asked. It leans on these parts of uvicorn's
httptools protocol, which are not documented; a test says when a release renames one:

* of the connection: ``parser``, ``cycle``, ``pipeline``, ``headers``, ``url``, ``transport``,
  ``loop``, ``_start_asgi_task``, ``_unset_keepalive_if_required``, ``on_response_complete`` and the parser's
  callbacks;
* of the request (``cycle``): ``scope``, ``body``, ``more_body``, ``keep_alive``, ``disconnected``,
  ``message_event``, ``response_started``, ``response_complete``, ``waiting_for_100_continue``;
* ``HIGH_WATER_LIMIT``: the bytes of a body beyond which it reads no further without the application.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ml_sys.serve.access import request_id
from ml_sys.serve.problems import (
    FIXED_HEADERS,
    OVERRIDABLE_HEADERS,
    REQUEST_ID_HEADER,
    raw_problem,
    send_problem,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

ALWAYS_ANSWERED = frozenset({"/health", "/ready"})
# Requests that may wait on one connection behind the one in hand; a client that sends more is cut off.
MAX_PIPELINED = 16
# Responses of this process that the application never saw, by status.
REFUSED: Counter[int] = Counter()
# Set once this process is about to end: it still answers, and says that it is not ready for more.
DRAINING = threading.Event()

_RETRY_AFTER = ((b"retry-after", b"1"),)
_REFUSED_AFTER_SECONDS = 0.3
_SEPARATORS = 4  # ": " and the line's end
# An idle connection outlives the listening socket by this much: a busy caller's next request, on its way or
# held up by busy cores, is still answered, and the answer ends the connection.
_LAST_READ_SECONDS = 0.5
# Workers stop to listen within this time of each other, on busy cores too.
_WORKERS_APART_SECONDS = 0.5
_MALFORMED = (400, "The request is not valid HTTP.")
_LATE = (408, "The request took too long to arrive.")
_HEAD_TOO_LARGE = (431, "The request's line and headers are too large.")
_BUSY = (503, "The service has too many requests in hand.")


@dataclass(frozen=True)
class Limits:
    """What one connection, and all together, may ask of a server process.

    Attributes
    ----------
    max_header_bytes : int
        Size of a request's line and headers together.
    request_timeout_seconds : float
        From the connection or a request's first byte to the end of its headers; as long again for its body.
    max_concurrency : int
        Requests in hand; beyond it callers get 503.
    """

    max_header_bytes: int
    request_timeout_seconds: float
    max_concurrency: int


class ServeConfig(uvicorn.Config):
    """uvicorn's configuration with our limits; workers get it by pickle.

    Parameters
    ----------
    app : callable or str
    limits : Limits
    **options
        As of :class:`uvicorn.Config`.

    Attributes
    ----------
    in_hand : int
        Requests that are being answered by this process.
    """

    def __init__(self, app: Any, *, limits: Limits, **options: Any) -> None:
        ours = {"ws": "none", "server_header": False, "access_log": False, "proxy_headers": False}
        super().__init__(app, **{**ours, **options}, http=LimitedProtocol)
        self.limits = limits
        self.in_hand = 0


async def _too_many(after: float, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - as ASGI has it
    """Refuse a request, after a moment: callers that ask again at once do not crowd out those in hand."""
    await asyncio.sleep(after)
    REFUSED[_BUSY[0]] += 1
    given = request_id(dict(scope["headers"]).get(REQUEST_ID_HEADER))
    ours = (REQUEST_ID_HEADER, given.encode("ascii"))
    headers = (*_RETRY_AFTER, *FIXED_HEADERS, *OVERRIDABLE_HEADERS, ours)
    await send_problem(send, *_BUSY, request_id=given, headers=headers)


class _RefusedError(Exception):
    """Stops the parser; what to say is kept beside it, since the parser wraps what a callback raises."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection, within the limits of its :class:`ServeConfig`.

    A refusal goes out only where no earlier request of the connection is still to be answered, since a client
    takes the next response for the answer to its next request. Else the connection ends with that answer.
    """

    config: ServeConfig

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = self.config.limits
        self._arriving = False  # a request has begun and is not complete
        self._in_head = True
        self._chunk = 0  # size of what is being parsed
        # Bytes since the last request or piece of a body ended; the second: how many of them may be older.
        self._pending = self._maybe_older = 0
        self._refusal = _MALFORMED
        self._ending = False  # the server stops
        self._deaf = False  # nothing more is read, the connection ends with the last response
        self._waiting: ASGI3Application | None = None  # what will answer once the body is here
        self._cut_off: RequestResponseCycle | None = None  # waits for its turn to be refused
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End once no worker takes connections any more: with the answer in hand or, where idle, a bit later.

        A caller whose connection ends opens another one. While another worker still listens, that one would
        wait in the kernel and be reset when that worker closes its sockets, an instant later.
        """
        self.loop.call_later(_WORKERS_APART_SECONDS, self._end)

    def _end(self) -> None:
        if self.transport.is_closing():
            return
        self._ending = True
        if self._awaits_answer():
            super().shutdown()
        else:
            self.loop.call_later(_LAST_READ_SECONDS, self._end_if_idle)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and see whether what is incomplete may go on."""
        self._unset_keepalive_if_required()
        if self._deaf:
            return
        self._chunk = len(data)
        self._pending += self._chunk
        try:
            self._feed(data)
            if self._pending - self._maybe_older > self._limits.max_header_bytes:
                # No end of a line, of trailers or of the blank lines before a request.
                self._refusal = _HEAD_TOO_LARGE
                raise _RefusedError
        except (httptools.HttpParserError, _RefusedError):
            self._refuse(*self._refusal)
            return
        if self._arriving or self._pending:
            if self._timer is None:
                self._wait()
            if self._waiting is not None and self._announced() > HIGH_WATER_LIMIT:
                self._admit(self.cycle, self._waiting)

    def on_message_begin(self) -> None:
        """Count the request's bytes: those of this chunk, or, behind another request, at most those."""
        super().on_message_begin()
        self._arriving = self._in_head = True
        if not self._pending:
            self._pending = self._maybe_older = self._chunk

    def on_headers_complete(self) -> None:
        """Refuse a large head, one of too many in a row, and one behind the last answer; else hand it on."""
        if self._pending > self._limits.max_header_bytes:
            size = len(self.url) + sum(len(name) + len(value) + _SEPARATORS for name, value in self.headers)
            if size > self._limits.max_header_bytes:
                self._refusal = _HEAD_TOO_LARGE
                raise _RefusedError
        if len(self.pipeline) >= MAX_PIPELINED or self.transport.is_closing():
            raise _RefusedError
        super().on_headers_complete()
        self._stop_waiting()
        self._in_head = False
        self._pending = self._maybe_older = 0

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, which is limited elsewhere."""
        self._pending = 0
        super().on_body(body)
        if self._waiting is not None and len(self.cycle.body) > HIGH_WATER_LIMIT:
            self._admit(self.cycle, self._waiting)

    def on_message_complete(self) -> None:
        """Take the request as complete."""
        self._arriving = False
        self._in_head = True
        self._pending = self._maybe_older = 0
        self._stop_waiting()
        super().on_message_complete()
        if self._waiting is not None:
            self._admit(self.cycle, self._waiting)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Have a request answered whose turn it is; one whose body is small waits for it first.

        So a client that sends slowly takes none of the slots, unless its body is too large to be kept here.
        """
        if self._deaf and cycle is self._cut_off:
            self._write(*self._refusal, cycle=cycle)
            self.transport.close()
        elif cycle.more_body and not cycle.waiting_for_100_continue:
            self._waiting = app
        else:
            self._admit(cycle, app)

    def _admit(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Start to answer a request, or refuse it where too many are in hand."""
        self._waiting = None
        if self._ending:
            cycle.keep_alive = False
        if self.config.in_hand < self._limits.max_concurrency or cycle.scope["path"] in ALWAYS_ANSWERED:
            self.config.in_hand += 1
            super()._start_asgi_task(cycle, partial(self._answered, app))
            return
        if cycle.waiting_for_100_continue:  # a client may or may not send its body after a refusal
            cycle.keep_alive = False
        after = 0.0 if self.pipeline else _REFUSED_AFTER_SECONDS
        super()._start_asgi_task(cycle, partial(_too_many, after))

    async def _answered(self, app: ASGI3Application, scope: Any, receive: Any, send: Any) -> None:
        # uvicorn's own set of tasks holds one that is done until the event loop's next turn.
        try:
            await app(scope, receive, send)
        finally:
            self.config.in_hand -= 1

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # Answered like any other request: what follows is the next one.
                data = data[upgrade.args[0] :]
            else:
                return

    def _refuse(self, status: int, title: str) -> None:
        """End the connection over what arrives: with an answer to it where it is its turn."""
        cycle = self.cycle
        self._deaf = True
        self._waiting = None
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if not self._awaits_answer():
            self._write(status, title)
        elif self._in_head:
            cycle.keep_alive = False
            return
        elif self.pipeline:
            self._cut_off = cycle
            return
        elif not cycle.response_started:
            self._write(status, title, cycle=cycle)
        if self._awaits_answer():
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _announced(self) -> int:
        return int(dict(self.headers).get(b"content-length", 0))

    def _awaits_answer(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # which uvicorn's own types don't say
        return cycle is not None and not cycle.response_complete

    def _write(
        self,
        status: int,
        title: str,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        cycle: RequestResponseCycle | None = None,
        close: bool = True,
    ) -> None:
        REFUSED[status] += 1
        shown = dict(cycle.scope["headers"]).get(REQUEST_ID_HEADER) if cycle else None
        with_body = cycle is None or cycle.scope["method"] != "HEAD"
        self.transport.write(
            raw_problem(
                status, title, request_id=request_id(shown), headers=headers, close=close, with_body=with_body
            )
        )

    def _end_if_idle(self) -> None:
        if not self._awaits_answer() and not self._arriving:
            self.transport.close()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self._limits.request_timeout_seconds, self._late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        """End a connection that keeps us waiting; not while it waits for us, or the application for it."""
        self._timer = None
        if self._waiting is not None or (self._in_head and self._pending and not self._awaits_answer()):
            self._refuse(*_LATE)
        elif self._awaits_answer():
            self._wait()
        else:
            self._deaf = True
            self.transport.close()
