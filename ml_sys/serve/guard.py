"""What every request passes through: its id, its key, its body's size, its time, and a clean answer.

:class:`Guard` is plain ASGI around the application, so that it covers what a framework answers as well.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ml_sys.serve.access import request_id
from ml_sys.serve.keys import accepts
from ml_sys.serve.problems import (
    FIXED_HEADERS,
    OVERRIDABLE_HEADERS,
    REQUEST_ID_HEADER,
    send_problem,
)
from ml_sys.serve.protocol import ALWAYS_ANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ml_sys.serve.access import AccessLog

    Observe = Callable[[str, str, int, float], None]

UNKNOWN_ROUTE = "/unknown"
# What is observed and logged for a caller that left before it was answered; nobody receives it.
CLIENT_LEFT = 499

# After a refusal the body is read on for this long: a client that is still sending would meet a reset, and
# not the answer.
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 1 << 30
_SWEEPS_PER_TIMEOUT = 20
_LONGEST_SWEEP_SECONDS = 0.5
_SERVER_ERROR = 500
_BEARER = b"bearer "
_CLOSE = (b"connection", b"close")
_RETRY_AFTER = (b"retry-after", b"1")
_log = logging.getLogger(__name__)


class BodyTooLargeError(Exception):
    """The body exceeds the limit; the guard answers."""


class ClientLeftError(Exception):
    """The connection ended before the body was complete; nobody is left to answer."""


async def read_body(receive: Receive) -> bytes:
    """Return the whole body of a request.

    Size and time are limited by the :class:`Guard` that ``receive`` comes from. It answers for what is raised
    here: let it pass.

    Raises
    ------
    BodyTooLargeError
        As soon as more has arrived than is allowed.
    ClientLeftError
        If the client leaves before the body is complete.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        whole: bytes = message.get("body", b"")
        return whole
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(pieces)
        message = await receive()
    raise ClientLeftError


class Guard:
    """Protects an ASGI application and observes what it answers.

    Parameters
    ----------
    app : callable
        The ASGI application.
    digests : tuple of str
        Digests of API keys; with any, every path but ``/health`` and ``/ready`` asks for a key.
    max_body_bytes : int
        Larger bodies get 413, whether they say their size or not.
    timeout_seconds : float
        A request whose body or answer takes longer gets 408 or 503. The clock is read every twentieth of it,
        or every half second. A handler in a thread goes on to its end; its answer is dropped.
    access : AccessLog
    observe : callable
        Called once for each request, after its response was sent, with method, route, status and seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        digests: tuple[str, ...],
        max_body_bytes: int,
        timeout_seconds: float,
        access: AccessLog,
        observe: Observe,
    ) -> None:
        self._app = app
        self._digests = digests
        self._max_body_bytes = max_body_bytes
        self._timeout = timeout_seconds
        self._access = access
        self._observe = observe
        self._in_hand: set[_Exchange] = set()
        self._sweep_every = min(timeout_seconds / _SWEEPS_PER_TIMEOUT, _LONGEST_SWEEP_SECONDS)
        self._sweeping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of ASGI scope pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        state = scope.setdefault("state", {})
        state["request_id"] = given = request_id(headers.get(REQUEST_ID_HEADER))
        exchange = _Exchange(scope, receive, send, given, self._max_body_bytes)
        try:
            if self._digests and scope["path"] not in ALWAYS_ANSWERED and not self._has_key(headers):
                await exchange.refuse_key(waits_for_leave=b"expect" in headers)
            elif int(headers.get(b"content-length", 0)) > self._max_body_bytes:
                exchange.too_large = True
                await exchange.refuse_body()
            else:
                await self._answer(exchange)
        finally:
            self._note(exchange, state.get("version"))

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        named = headers.get(b"authorization", b"")
        shown = [named[len(_BEARER) :].strip()] if named[: len(_BEARER)].lower() == _BEARER else []
        if b"x-api-key" in headers:
            shown.append(headers[b"x-api-key"])
        return any(accepts(key, self._digests) for key in shown)

    async def _answer(self, exchange: _Exchange) -> None:
        """Let the application answer, and answer for it where it does not."""
        self._in_hand.add(exchange)
        if not self._sweeping:
            self._sweep()
        error: Exception | None = None
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if not exchange.expired:
                raise
        except Exception as raised:
            error = raised
        finally:
            self._in_hand.discard(exchange)
        if exchange.expired:
            exchange.task.uncancel()
        if error is not None or not exchange.status:
            await exchange.conclude(error)

    def _sweep(self) -> None:
        """Cancel what takes too long; one timer for all costs a request less than one of its own."""
        self._sweeping = bool(self._in_hand)
        if not self._sweeping:
            return
        loop = asyncio.get_running_loop()
        latest = perf_counter() - self._timeout
        for exchange in self._in_hand:
            if exchange.began < latest and not exchange.expired:
                exchange.expired = True
                exchange.task.cancel()
        loop.call_later(self._sweep_every, self._sweep)

    def _note(self, exchange: _Exchange, version: str | None) -> None:
        seconds = perf_counter() - exchange.began
        route = getattr(exchange.scope.get("route"), "path_format", None) or UNKNOWN_ROUTE
        method, status = exchange.scope["method"], exchange.status or CLIENT_LEFT
        self._observe(method, route, status, seconds)
        self._access.record(
            request_id=exchange.id,
            method=method,
            route=route,
            status=status,
            seconds=seconds,
            version=version,
        )


class _Exchange:
    """One request and its response: what the application receives and sends goes through here."""

    __slots__ = (
        "_body_left",
        "_held",
        "_receive",
        "_send",
        "arrived",
        "began",
        "expired",
        "id",
        "receiving",
        "scope",
        "status",
        "task",
        "too_large",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, given: str, max_body_bytes: int) -> None:
        self.began = perf_counter()
        self.scope = scope
        self.id = given
        self._receive = receive
        self._send = send
        self._body_left = max_body_bytes
        self._held: list[Message] = []
        self.status = 0  # of the response that has begun
        self.arrived = False  # the body is complete
        self.receiving = self.too_large = self.expired = False
        self.task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]

    async def receive(self) -> Message:
        """Pass on a piece of the body while the sum is within the limit."""
        if self.too_large:
            raise BodyTooLargeError
        self.receiving = True
        message = await self._receive()
        self.receiving = False
        if message["type"] == "http.request":
            self._body_left -= len(message.get("body", b""))
            if self._body_left < 0:
                self.too_large = True
                raise BodyTooLargeError
            self.arrived = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass on the application's response, with our headers, unless it is ours to answer."""
        if self.too_large or self.expired:
            # Frameworks make a response of their own out of our exception.
            if self.status:
                await self._send(message)
        elif self._held or (not self.status and message["status"] == _SERVER_ERROR):
            # Starlette sends its own page and then raises; a failure is told apart only by what comes next.
            self._held.append(message)
            if message.get("more_body", False):
                await self._release()
        else:
            await self._send(message if self.status else self._dressed(message))

    async def conclude(self, error: Exception | None) -> None:
        """Answer what the application did not, once it has returned or raised."""
        left = isinstance(error, ClientLeftError)
        if error is not None and not left and not self.too_large and not self.expired:
            _log.error("request %s failed", self.id, exc_info=error)
        if self.status:
            return  # the server ends the connection where the response is not complete
        if self.too_large:
            await self.refuse_body()
        elif self.expired and self.receiving and not self.arrived:
            await self._problem(408, "The request took too long to arrive.", _CLOSE)
        elif self.expired:
            await self._problem(503, "The service took too long to answer.", _RETRY_AFTER)
        elif error is not None and not left:
            await self._problem(500, "The service failed to answer.")
        elif error is None:
            await self._release()

    async def refuse_key(self, *, waits_for_leave: bool) -> None:
        """Answer a request that shows no key of ours."""
        # A client that asks for leave to send its body may or may not send it after a refusal.
        close = (_CLOSE,) if waits_for_leave else ()
        challenge = (b"www-authenticate", b'Bearer realm="mlsys"')
        await self._problem(401, "An API key is needed.", challenge, *close)

    async def refuse_body(self) -> None:
        """Say that the body is too large, then read on for a while, since a client may listen only then."""
        title = "The request's body is too large."
        await send_problem(self._send_ours, 413, title, request_id=self.id, headers=(_CLOSE,), finish=False)
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        break
        except TimeoutError:
            pass
        await self._send_ours({"type": "http.response.body", "body": b""})

    async def _problem(self, status: int, title: str, *headers: tuple[bytes, bytes]) -> None:
        await send_problem(self._send_ours, status, title, request_id=self.id, headers=headers)

    async def _release(self) -> None:
        held, self._held = self._held, []
        for message in held:
            await self._send_ours(message)

    async def _send_ours(self, message: Message) -> None:
        await self._send(message if self.status else self._dressed(message))

    def _dressed(self, start: Message) -> Message:
        """Return the message that begins the response, with our headers."""
        self.status = start["status"]
        headers = list(start.get("headers", ()))
        chosen = dict(headers)
        headers += [header for header in OVERRIDABLE_HEADERS if header[0] not in chosen]
        headers += FIXED_HEADERS
        headers.append((REQUEST_ID_HEADER, self.id.encode("ascii")))
        return {**start, "headers": headers}
