"""One request and its response: everything the application receives and sends passes through here."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ml_sys.serve.http.problems import FIXED_HEADERS, OVERRIDABLE_HEADERS, REQUEST_ID_HEADER, send_problem

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from ml_sys.serve.http.ending import Ending

CLOSE = (b"connection", b"close")
RETRY_AFTER = (b"retry-after", b"1")
# A body up to this size is received before its request counts as in progress.
_SMALL_BODY_BYTES = 65_536
# After a refusal the body is still read for this long: a client that is sending would otherwise get a reset
# instead of the answer.
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 1 << 30
_SERVER_ERROR = 500
_log = logging.getLogger(__name__)


class BodyTooLargeError(Exception):
    """The body exceeds the limit; the guard answers."""


class ClientLeftError(Exception):
    """The client closed the connection before the body was complete."""


async def read_body(receive: Receive) -> bytes:
    """Return the whole body of a request.

    The guard that ``receive`` comes from limits size and time, and answers for errors raised here: do not
    catch them.

    Raises
    ------
    BodyTooLargeError
        As soon as more than the limit has arrived.
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


class Slots:
    """Places for the requests in progress in one process."""

    __slots__ = ("_left",)

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self) -> bool:
        """Take a place; False if none is free."""
        if not self._left:
            return False
        self._left -= 1
        return True

    def free(self) -> None:
        """Give a place back."""
        self._left += 1


class Exchange:
    """One request and its response.

    Attributes
    ----------
    began : float
        By ``time.perf_counter``.
    status : int
        Of the response, once it has begun; 0 before.
    expired : bool
        Whether its time is up and its task was cancelled.
    sending : bool
        Whether the server is waiting for the client to read.
    """

    __slots__ = (
        "_arrived",
        "_body_left",
        "_ending",
        "_first",
        "_held",
        "_receive",
        "_receiving",
        "_send",
        "_slots",
        "_too_large",
        "began",
        "expired",
        "id",
        "scope",
        "sending",
        "status",
        "task",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, given: str, max_body_bytes: int, ending: Ending
    ) -> None:
        self.began = perf_counter()
        self.scope = scope
        self.id = given
        self.status = 0
        self.expired = self.sending = False
        self.task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._receive = receive
        self._send = send
        self._ending = ending
        self._body_left = max_body_bytes
        self._first: Message | None = None  # what was received ahead of the application
        self._held: list[Message] = []
        self._arrived = False  # the body is complete
        self._receiving = self._too_large = False
        self._slots: Slots | None = None

    def take(self, slots: Slots) -> bool:
        """Count as a request in progress until the response is complete; False if there is no room."""
        if slots.take():
            self._slots = slots
            return True
        return False

    def free(self) -> None:
        """Stop counting as a request in progress."""
        if self._slots is not None:
            self._slots.free()
            self._slots = None

    async def await_small_body(self) -> None:
        """Receive a small body whole, so that a slow client does not take up a place."""
        message = await self.receive()
        if message.get("more_body", False):
            pieces = bytearray(message.get("body", b""))
            while message.get("more_body", False) and len(pieces) <= _SMALL_BODY_BYTES:
                message = await self.receive()
                pieces += message.get("body", b"")
            if message["type"] == "http.request":
                message = {**message, "body": bytes(pieces)}
        self._first = message

    async def receive(self) -> Message:
        """Pass on a piece of the body while the total is within the limit."""
        if self._first is not None:
            message, self._first = self._first, None
            return message
        if self._too_large:
            raise BodyTooLargeError
        self._receiving = True
        message = await self._receive()
        self._receiving = False
        if message["type"] == "http.request":
            self._body_left -= len(message.get("body", b""))
            if self._body_left < 0:
                self._too_large = True
                raise BodyTooLargeError
            self._arrived = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass on the application's response with our headers, unless the guard has to answer."""
        if self._too_large or self.expired:
            # Frameworks make a response of their own out of our exception.
            if self.status:
                await self._pass(message)
        elif self._held or (not self.status and message["status"] == _SERVER_ERROR):
            # Starlette sends its own page and then raises; a failure is told apart only by what comes next.
            self._held.append(message)
            if message.get("more_body", False):
                await self._release()
        else:
            await self._pass(message)

    async def conclude(self, error: Exception | None) -> None:
        """Answer in place of the application if it returned or raised without answering."""
        left = isinstance(error, ClientLeftError)
        if error is not None and not left and not self._too_large and not self.expired:
            _log.error("request %s failed", self.id, exc_info=error)
        if self.status:
            return  # the server ends the connection where the response is not complete
        if self._too_large:
            await self.refuse_body()
        elif self.expired and self._receiving and not self._arrived:
            await self.refuse(408, "The request took too long to arrive.", CLOSE)
        elif self.expired:
            await self.refuse(503, "The service took too long to answer.", RETRY_AFTER)
        elif error is not None and not left:
            await self.refuse(500, "The service failed to answer.")
        elif error is None:
            await self._release()

    async def refuse(self, status: int, title: str, *headers: tuple[bytes, bytes], detail: str = "") -> None:
        """Answer with a problem document."""
        await send_problem(self._pass, status, title, detail=detail, request_id=self.id, headers=headers)

    async def refuse_body(self) -> None:
        """Say that the body is too large, then read on, since a client may listen only after sending."""
        title = "The request's body is too large."
        await send_problem(self._pass, 413, title, request_id=self.id, headers=(CLOSE,), finish=False)
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
        await self._pass({"type": "http.response.body", "body": b""})

    async def _release(self) -> None:
        held, self._held = self._held, []
        for message in held:
            await self._pass(message)

    async def _pass(self, message: Message) -> None:
        """Hand a message to the server, which may wait until the client has read what came before."""
        if not self.status:
            if self._ending.is_near:
                await self._ending.stopped_listening()
            message = self._dressed(message)
        self.sending = True
        await self._send(message)
        self.sending = False
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            # Before the connection's next request, which the server has begun by now, is looked at.
            self.free()

    def _dressed(self, start: Message) -> Message:
        """Return the message that begins the response, with our headers."""
        self.status = start["status"]
        headers = list(start.get("headers", ()))
        chosen = dict(headers)
        headers += [header for header in OVERRIDABLE_HEADERS if header[0] not in chosen]
        headers += FIXED_HEADERS
        headers.append((REQUEST_ID_HEADER, self.id.encode("ascii")))
        if self._ending.is_near and b"connection" not in chosen:
            headers.append(CLOSE)
        return {**start, "headers": headers}
