"""The guard around every request: its id, host, key, size, time, and a clean answer.

:class:`Guard` is plain ASGI around the application, so it also covers the framework's own answers. It
enforces the limits that an application can enforce. What happens below (slow heads, idle connections, TLS) is
up to the server and the proxy.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPMethod
from time import perf_counter
from typing import TYPE_CHECKING

from ml_sys.serve.http.access import request_id
from ml_sys.serve.http.ending import Ending
from ml_sys.serve.http.exchange import CLOSE, RETRY_AFTER, Exchange, Slots
from ml_sys.serve.http.hosts import ANY, Hosts
from ml_sys.serve.http.keys import accepts
from ml_sys.serve.http.problems import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ml_sys.serve.http.access import AccessLog

    Observe = Callable[[str, str, int, float], None]

ALWAYS_ANSWERED = frozenset({"/health", "/ready"})
UNKNOWN_ROUTE = "/unknown"
# Whoever asks may call a method anything; each name that is counted takes memory for good.
UNKNOWN_METHOD = "OTHER"
_METHODS = frozenset(HTTPMethod)
# Status that is observed and logged for a caller that left before it was answered; nobody receives it.
CLIENT_LEFT = 499
# Requests of this process that the guard refused, by status.
REFUSED: Counter[int] = Counter()

# Callers that retry at once after a refusal must not crowd out the requests in progress, nor all come back at
# the same moment. So each waits for its refusal, for a share of the busy seconds between these two.
_BUSY_SECONDS = 0.9
_BUSY_SHARES = (1 / 3, 1.0)
# A caller whose time is up has to take the answer within this time.
_LAST_WORD_SECONDS = 1.0
_SWEEPS_PER_TIMEOUT = 20
_LONGEST_SWEEP_SECONDS = 0.5
_SEPARATORS = 4  # ": " and the line's end
_BEARER = b"bearer "
_VERSIONS = frozenset({"1.0", "1.1"})


@dataclass(frozen=True)
class RequestLimits:
    """The limits of one request, and of all requests to a server process.

    Attributes
    ----------
    max_header_bytes : int
        Size of a request's line and headers together; more gets 431.
    max_body_bytes : int
        Larger bodies get 413, whether they state their size or not.
    max_body_bytes_of : mapping of str to int
        The same for paths with a lower limit.
    timeout_seconds : float
        From the end of the head to the last byte of the answer that the server has accepted. The clock is
        read every twentieth of it, or every half second. A handler in a thread runs to its end; its answer is
        dropped.
    max_concurrency : int
        Requests in progress; beyond it callers get 503.
    """

    max_header_bytes: int = 16_384
    max_body_bytes: int = 8_388_608
    max_body_bytes_of: Mapping[str, int] = field(default_factory=dict)
    timeout_seconds: float = 10.0
    max_concurrency: int = 32


class Guard:
    """Protect an ASGI application, and observe its answers.

    Parameters
    ----------
    app : callable
        The ASGI application.
    digests : tuple of str
        Digests of API keys; if there are any, every path but ``/health`` and ``/ready`` needs a key.
    hosts : Hosts
        The hosts that a request may name, except for the same two paths.
    observe : callable
        Called once for each request, after its response was sent, with method, route, status and seconds.
    ending : Ending, optional
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: RequestLimits,
        digests: tuple[str, ...] = (),
        hosts: Hosts | None = None,
        access: AccessLog,
        observe: Observe,
        ending: Ending | None = None,
    ) -> None:
        self._app = app
        self._limits = limits
        self._digests = digests
        self._hosts = Hosts([ANY]) if hosts is None else hosts
        self._access = access
        self._observe = observe
        self._ending = ending or Ending()
        self._slots = Slots(limits.max_concurrency)
        self._open: set[Exchange] = set()
        self._sweep_every = min(limits.timeout_seconds / _SWEEPS_PER_TIMEOUT, _LONGEST_SWEEP_SECONDS)
        self._sweeping = False
        self._busy_seconds = min(_BUSY_SECONDS, limits.timeout_seconds / 2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; pass on other kinds of ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        state = scope.setdefault("state", {})
        state["request_id"] = given = request_id(headers.get(REQUEST_ID_HEADER))
        most = self._limits.max_body_bytes_of.get(scope["path"], self._limits.max_body_bytes)
        exchange = Exchange(scope, receive, send, given, most, self._ending)
        self._open.add(exchange)
        if not self._sweeping:
            self._sweep()
        try:
            await self._within_time(exchange, headers, most)
        finally:
            self._open.discard(exchange)
            exchange.free()
            self._note(exchange, state.get("version"))

    async def _within_time(self, exchange: Exchange, headers: dict[bytes, bytes], most: int) -> None:
        """Answer, in place of the application if it does not."""
        error: Exception | None = None
        try:
            await self._answer(exchange, headers, most)
        except asyncio.CancelledError:
            if not exchange.expired:
                raise
        except Exception as raised:
            error = raised
        if not exchange.expired:
            if error is not None or not exchange.status:
                await exchange.conclude(error)
            return
        exchange.task.uncancel()
        if not exchange.sending:  # else the client does not read: whatever is said would wait as well
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_SECONDS):
                    await exchange.conclude(error)

    async def _answer(self, exchange: Exchange, headers: dict[bytes, bytes], most: int) -> None:
        """Refuse a request, or let the application answer it once there is room."""
        free = exchange.scope["path"] in ALWAYS_ANSWERED
        # A client that asks for leave to send its body may or may not send it after a refusal.
        close = (CLOSE,) if b"expect" in headers else ()
        if self._head_bytes(exchange.scope) > self._limits.max_header_bytes:
            await self._refuse(exchange, 431, "The request's line and headers are too large.", CLOSE)
        elif exchange.scope.get("http_version", "1.1") not in _VERSIONS:
            await self._refuse(exchange, 505, "Only HTTP/1.1 is spoken here.", CLOSE)
        elif b"transfer-encoding" in headers and b"content-length" in headers:
            # The end of the body is given in two ways, and a proxy may have followed the other one.
            await self._refuse(exchange, 400, "The request states its body's length twice.", CLOSE)
        elif not free and not self._hosts.allows(headers.get(b"host", b"")):
            title = "The request names a host that is not served."
            detail = "serve.allowed_hosts lists the hosts that are."
            await self._refuse(exchange, 421, title, *close, detail=detail)
        elif not free and self._digests and not self._has_key(headers):
            challenge = (b"www-authenticate", b'Bearer realm="mlsys"')
            await self._refuse(exchange, 401, "An API key is needed.", challenge, *close)
        elif int(headers.get(b"content-length", 0)) > most:
            REFUSED[413] += 1
            await exchange.refuse_body()
        elif free:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        else:
            if not close:
                await exchange.await_small_body()
            if exchange.take(self._slots):
                # Requests that came with it take their places first, and the rest are refused.
                await asyncio.sleep(0)
                await self._app(exchange.scope, exchange.receive, exchange.send)
            else:
                await asyncio.sleep(self._busy_seconds * random.uniform(*_BUSY_SHARES))  # noqa: S311 - no secret
                title = "The service has too many requests in progress."
                await self._refuse(exchange, 503, title, RETRY_AFTER, *close)

    async def _refuse(
        self, exchange: Exchange, status: int, title: str, *headers: tuple[bytes, bytes], detail: str = ""
    ) -> None:
        REFUSED[status] += 1
        await exchange.refuse(status, title, *headers, detail=detail)

    @staticmethod
    def _head_bytes(scope: Scope) -> int:
        size = len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))
        for name, value in scope["headers"]:
            size += len(name) + len(value) + _SEPARATORS
        return size

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        named = headers.get(b"authorization", b"")
        shown = [named[len(_BEARER) :].strip()] if named[: len(_BEARER)].lower() == _BEARER else []
        if b"x-api-key" in headers:
            shown.append(headers[b"x-api-key"])
        return any(accepts(key, self._digests) for key in shown)

    def _sweep(self) -> None:
        """Cancel requests that take too long; one timer for all is cheaper than one for each."""
        self._sweeping = bool(self._open)
        if not self._sweeping:
            return
        loop = asyncio.get_running_loop()
        latest = perf_counter() - self._limits.timeout_seconds
        for exchange in self._open:
            if exchange.began < latest and not exchange.expired:
                exchange.expired = True
                exchange.task.cancel()
        loop.call_later(self._sweep_every, self._sweep)

    def _note(self, exchange: Exchange, version: str | None) -> None:
        seconds = perf_counter() - exchange.began
        route = getattr(exchange.scope.get("route"), "path_format", None) or UNKNOWN_ROUTE
        method, status = exchange.scope["method"], exchange.status or CLIENT_LEFT
        method = method if method in _METHODS else UNKNOWN_METHOD
        self._observe(method, route, status, seconds)
        self._access.record(
            request_id=exchange.id,
            method=method,
            route=route,
            status=status,
            seconds=seconds,
            version=version,
        )
