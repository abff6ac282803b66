"""Problem documents (RFC 9457), the one form of every error that the service answers with.

A document says what is wrong and has the request's id. It never has a path of this machine, a stack trace or
a key, so the calling code writes the text itself and never passes on an exception's message.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.types import Send

    Headers = Iterable[tuple[bytes, bytes]]

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_HEADER = b"x-request-id"
# Headers that an answer may set itself: the documentation page needs scripts, and some pages may be cached.
OVERRIDABLE_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
FIXED_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))

_as_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def document(
    status: int,
    title: str,
    *,
    detail: str = "",
    errors: Sequence[Mapping[str, Any]] = (),
    request_id: str = "",
) -> bytes:
    """Return a problem document as JSON, without empty fields."""
    content: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        content["detail"] = detail
    if errors:
        content["errors"] = list(errors)
    if request_id:
        content["request_id"] = request_id
    return _as_json(content).encode()


def problem(
    status: int,
    title: str,
    *,
    detail: str = "",
    errors: Sequence[Mapping[str, Any]] = (),
    request_id: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document as a response, for handlers.

    Parameters
    ----------
    title : str
        The kind of problem; the same for every request that has it.
    detail : str, optional
        What is specific to this request.
    errors : sequence of mapping, optional
        One for each invalid field.
    request_id : str, optional
    headers : mapping, optional
        More headers, e.g. ``Retry-After``.
    """
    content = document(status, title, detail=detail, errors=errors, request_id=request_id)
    return Response(content, status, headers, MEDIA_TYPE)


async def send_problem(
    send: Send,
    status: int,
    title: str,
    *,
    detail: str = "",
    request_id: str = "",
    headers: Headers = (),
    finish: bool = True,
) -> None:
    """Send a problem document as ASGI messages.

    Parameters
    ----------
    status, title, detail, request_id
        As in :func:`problem`.
    headers : iterable of pairs of bytes, optional
    finish : bool
        False leaves the response open after its body is complete, so that the server goes on reading.
    """
    body = document(status, title, detail=detail, request_id=request_id)
    start = {"type": "http.response.start", "status": status, "headers": [*_entity(body), *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": not finish})


def _entity(body: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
