"""As much of HTTP/1.1 as a quick client needs: the bytes of a request, and what those of an answer say."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

_LENGTH = b"\r\ncontent-length:"
_BODILESS = {b"204", b"304"}


class Answer(NamedTuple):
    """A whole answer: status, length of its head, whether the server closes the connection after it."""

    status: bytes
    head: int
    closes: bool


class UnreadableError(Exception):
    """What came is no answer to one request."""


def parse(data: bytes, *, ended: bool = False) -> Answer | None:
    """Return the answer that the bytes are; None while some of it is missing.

    Parameters
    ----------
    data : bytes
        All that came since the request.
    ended : bool
        Nothing follows, which ends the body of an answer without a length.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if data[:5] != b"HTTP/"[: len(data)]:
            raise UnreadableError
        return None
    head, status = data[:end].lower(), data[9:12]
    if head[:5] != b"http/" or not status.isdigit():
        raise UnreadableError
    if b"\r\ntransfer-encoding:" in head:  # as of what the server refuses by itself
        if b"\r\nconnection: close" not in head:
            raise UnreadableError
        return Answer(status, end + 4, closes=True) if ended else None
    at = head.find(_LENGTH)
    if at < 0 and status not in _BODILESS:
        return Answer(status, end + 4, closes=True) if ended else None
    length = 0
    if at >= 0 and status not in _BODILESS:
        digits = head[at + len(_LENGTH) :].split(b"\r\n", 1)[0].strip()
        if not digits.isdigit():
            raise UnreadableError
        length = int(digits)
    missing = end + 4 + length - len(data)
    if missing < 0:
        raise UnreadableError
    return None if missing else Answer(status, end + 4, closes=b"\r\nconnection: close" in head)


def wire(request: dict[str, Any], host: str) -> bytes:
    """Return the bytes of a request; text that is no UTF-8 may hold surrogate escapes."""
    body = request.get("body")
    content = b""
    headers = {"host": host, **request.get("headers", {})}
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        content = text.encode("utf-8", "surrogateescape")
        headers = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    lines = [f"{request.get('method', 'POST')} {request['path']} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content
