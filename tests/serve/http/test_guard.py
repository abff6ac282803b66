"""Keys, bodies, time, failures and ids: by a real server where the wire matters, else around a small app."""

from __future__ import annotations

import asyncio
import json
import select
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.serve.http.access import AccessLog
from ml_sys.serve.http.exchange import read_body
from ml_sys.serve.http.guard import CLIENT_LEFT, Guard, RequestLimits
from ml_sys.serve.http.keys import new_key
from tests.serve.servers import (
    DIGEST,
    INNERMOST,
    KEY,
    LIMIT,
    NEXT_DIGEST,
    NEXT_KEY,
    PATIENCE,
    TIMEOUT,
    Answer,
    until,
)

MEGABYTE = 1 << 20
WRONG_KEY, _ = new_key()
CHUNKED = b"POST /length HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _small_app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body."""
    length = len(await read_body(receive))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % length})


class Exchange:
    """One request through a guard, without a server."""

    def __init__(
        self,
        app: Any = _small_app,
        *,
        path: str = "/length",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: Iterable[bytes] = (b"",),
        **options: Any,
    ) -> None:
        self.observed: list[tuple[str, str, int, float]] = []
        self.sent: list[dict[str, Any]] = []
        self.received = 0
        digests = options.pop("digests", ())
        limits = RequestLimits(**{"max_body_bytes": LIMIT, "timeout_seconds": PATIENCE, **options})
        guard = Guard(
            app,
            limits=limits,
            digests=digests,
            access=AccessLog(0),
            observe=lambda *seen: self.observed.append(seen),
        )
        pieces = list(body)

        async def receive() -> dict[str, Any]:
            self.received += 1
            if not pieces:
                return {"type": "http.disconnect"}
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)

        self.scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
        asyncio.run(guard(self.scope, receive, send))

    @property
    def answer(self) -> Answer:
        headers = {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in self.sent[1:])
        return Answer(self.sent[0]["status"], headers, body)


def test_a_body_of_the_allowed_size_is_taken(server):
    assert server.ask("POST", "/length", b"x" * LIMIT).json == {"length": LIMIT}


@pytest.mark.parametrize("path", ["/length", "/framework"])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(server, path):
    with server.connect() as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        answer = connection.answer()
        assert (answer.status, answer.is_problem, answer.headers["connection"]) == (413, True, "close")
        with suppress(ConnectionError):  # it is waited for, but not for long
            connection.send(b"x" * (LIMIT + 1))  # a client may send it all before it listens
        assert connection.is_closed()


@pytest.mark.parametrize("path", ["/length", "/framework"])
def test_a_chunked_body_is_counted_as_it_comes(server, path):
    head = CHUNKED.replace(b"/length", path.encode())
    chunk = b"2710\r\n" + b"1" * 10_000 + b"\r\n"
    with server.connect() as connection:
        connection.send(head + chunk * 10 + b"0\r\n\r\n")
        assert connection.answer().status == 200
        with suppress(ConnectionError):
            connection.send(head + chunk * 200 + b"0\r\n\r\n")
        answer = connection.answer()
        assert (answer.status, answer.is_problem) == (413, True)
        assert connection.is_closed()


@given(pieces=st.lists(st.binary(max_size=20), min_size=1, max_size=10), limit=st.integers(0, 60))
def test_a_body_is_read_whole_or_refused_however_it_is_cut(pieces, limit):
    seen = Exchange(body=pieces, max_body_bytes=limit)
    total = sum(map(len, pieces))
    assert seen.answer.status == (200 if total <= limit else 413)
    if total <= limit:
        assert seen.answer.body == b"%d" % total
    assert [one[2] for one in seen.observed] == [seen.answer.status]


def test_a_chunked_body_of_a_gigabyte_takes_no_memory(server):
    assert server.ask("POST", "/length", b"x" * LIMIT).status == 200
    before = most = server.resident_bytes()
    chunk = b"100000\r\n" + b"x" * MEGABYTE + b"\r\n"
    answer = None
    with server.connect() as connection:
        with suppress(ConnectionError):
            connection.send(CHUNKED)
            for _ in range(1024):
                connection.send(chunk)
                most = max(most, server.resident_bytes())
                if answer is None and select.select([connection.sock], [], [], 0)[0]:
                    answer = connection.answer()
        answer = answer or connection.answer()
    assert (answer.status, answer.is_problem) == (413, True)
    assert most - before < 20 * MEGABYTE
    assert server.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    "start",
    [
        b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nxxx",
        b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 90000\r\n\r\nxxx",
        b"POST /framework HTTP/1.1\r\nHost: test\r\nContent-Length: 90000\r\n\r\n",
        CHUNKED + b"3\r\nxxx\r\n",
    ],
)
def test_a_body_that_does_not_come_gets_408(impatient, start):
    with impatient.connect() as connection:
        began = time.monotonic()
        answer = connection.send(start).answer()
        assert (answer.status, answer.is_problem, answer.headers["connection"]) == (408, True, "close")
        assert time.monotonic() - began > TIMEOUT * 0.9
        assert connection.is_closed()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/sleep/99"), ("POST", "/sleep/99"), ("GET", "/thread/9")]
)
def test_an_application_that_takes_too_long_gets_its_caller_503(impatient, method, path):
    route = path.replace("99", "{seconds}").replace("9", "{seconds}")
    before = impatient.notes(route)["observed"]
    with impatient.connect() as connection:
        began = time.monotonic()
        answer = connection.ask(method, path, b"{}" if method == "POST" else b"")
        assert (answer.status, answer.is_problem, answer.headers["retry-after"]) == (503, True, "1")
        assert time.monotonic() - began > TIMEOUT * 0.9
        until(lambda: connection.ask("GET", "/health").status == 200)
    (seen,) = impatient.notes(route)["observed"][len(before) :]
    assert seen[:3] == [method, route, 503]


def test_a_client_that_leaves_is_no_failure(server):
    before = server.records("ml_sys.serve.http.exchange"), server.records("uvicorn.error")
    with server.connect() as connection:
        connection.send(f"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: {LIMIT}\r\n\r\nxxx".encode())
        time.sleep(0.1)
    until(lambda: ["POST", "/length", CLIENT_LEFT] in [one[:3] for one in server.notes()["observed"]])
    assert (server.records("ml_sys.serve.http.exchange"), server.records("uvicorn.error")) == before


def test_a_failure_says_nothing_of_itself_but_its_id(server):
    answer = server.ask("GET", "/boom?name=acme", X_Request_ID="the-bad-one")
    assert (answer.status, answer.is_problem) == (500, True)
    assert answer.headers["x-request-id"] == answer.json["request_id"] == "the-bad-one"
    assert set(answer.json) == {"type", "title", "status", "request_id"}
    records = server.records("ml_sys.serve.http.exchange")
    (record,) = [one for one in records if "the-bad-one" in one["message"]]
    assert INNERMOST in record["exc_info"]


def test_a_failure_after_the_answer_began_ends_the_connection(server):
    with server.connect() as connection:
        connection.send(b"GET /late-boom HTTP/1.1\r\nHost: test\r\n\r\n")
        assert connection.answer().status == 200
        rest = b""
        while piece := connection.sock.recv(1000):
            rest += piece
    assert INNERMOST.encode() not in rest
    assert not rest.endswith(b"0\r\n\r\n")  # a client can tell that the body is not complete


def test_an_answer_of_500_that_is_the_application_s_own_passes(server):
    answer = server.ask("GET", "/own-500")
    assert (answer.status, answer.body) == (500, b"mine")


def test_every_answer_has_the_security_headers(server):
    for method, path, body in (
        ("GET", "/health", b""),
        ("HEAD", "/sleep/0", b""),
        ("GET", "/nowhere", b""),
        ("GET", "/boom", b""),
        ("POST", "/length", b"x" * (LIMIT + 1)),
    ):
        headers = server.ask(method, path, body).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"]
        assert "server" not in headers


def test_an_answer_may_have_a_policy_of_its_own(server):
    with server.connect() as connection:
        connection.send(b"GET /page HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        head = b"".join(iter(lambda: connection.sock.recv(65_536), b"")).split(b"\r\n\r\n")[0].decode()
    assert head.count("content-security-policy") == head.count("cache-control") == 1
    assert "content-security-policy: default-src 'self'" in head
    assert "cache-control: max-age=60" in head
    assert "x-content-type-options: nosniff" in head


@given(shown=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True).map(str.encode))
def test_a_caller_s_id_comes_back(shown):
    seen = Exchange(headers=[(b"x-request-id", shown)])
    assert seen.answer.headers["x-request-id"] == seen.scope["state"]["request_id"] == shown.decode()


@given(shown=st.one_of(st.binary(), st.just(b"a" * 65), st.just(b"a\r\nset-cookie: b")))
def test_an_id_that_comes_back_is_never_harmful(shown):
    seen = Exchange(headers=[(b"x-request-id", shown)], body=[b"x" * (LIMIT + 1)])
    back = seen.answer.headers["x-request-id"]
    assert back == seen.answer.json["request_id"]
    assert len(back) <= 64
    assert set(back) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def bearer(key: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {key}"}


@pytest.mark.parametrize(
    "shown",
    [
        bearer(KEY),
        bearer(KEY, "bearer"),
        bearer(NEXT_KEY),
        {"X-API-Key": KEY},
        {"x-api-key": NEXT_KEY},
        {**bearer(WRONG_KEY), "X-API-Key": KEY},
    ],
)
def test_any_of_the_keys_opens_in_either_header(locked, shown):
    assert locked.ask("GET", "/sleep/0", **shown).status == 200


@pytest.mark.parametrize(
    "shown",
    [
        {},
        bearer(WRONG_KEY),
        bearer(""),
        bearer(KEY, "Basic"),
        bearer(DIGEST),
        {"Authorization": KEY},
        {"X-API-Key": WRONG_KEY},
        {"X-API-Key": DIGEST},
        {"X-API-Key": f"Bearer {KEY}"},
        {"X-API-Key": ""},
        {"Cookie": f"key={KEY}"},
    ],
)
@pytest.mark.parametrize("path", ["/sleep/0", "/nowhere", "/docs", "/openapi.json", "/health/", "//health"])
def test_without_a_key_there_is_nothing(locked, shown, path):
    with locked.connect() as connection:
        answer = connection.ask("GET", path, **shown)
        assert (answer.status, answer.is_problem) == (401, True)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert connection.ask("GET", "/sleep/0", **bearer(KEY)).status == 200


def test_a_key_in_the_query_does_not_open(locked):
    assert locked.ask("GET", f"/sleep/0?api_key={KEY}").status == 401


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_the_checks_of_a_balancer_need_no_key(locked, path):
    assert locked.ask("GET", path).status == 200


def test_a_body_without_a_key_is_refused_and_does_not_disturb_the_next_request(locked):
    with locked.connect() as connection:
        assert connection.ask("POST", "/length", b"x" * LIMIT).status == 401
        assert connection.ask("POST", "/length", b"abc", **bearer(KEY)).json == {"length": 3}
        head = b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        assert connection.send(head).answer().headers["connection"] == "close"
        assert connection.is_closed()


def test_a_key_is_rotated_by_its_digest():
    def status(digests: tuple[str, ...], key: str) -> int:
        return Exchange(headers=[(b"x-api-key", key.encode())], digests=digests).answer.status

    assert [status((DIGEST,), key) for key in (KEY, NEXT_KEY)] == [200, 401]
    assert [status((DIGEST, NEXT_DIGEST), key) for key in (KEY, NEXT_KEY)] == [200, 200]
    assert [status((NEXT_DIGEST,), key) for key in (KEY, NEXT_KEY)] == [401, 200]


@given(st.binary())
def test_any_bytes_for_a_key_are_refused_and_never_an_error(shown):
    for headers in ([(b"x-api-key", shown)], [(b"authorization", b"Bearer " + shown)]):
        assert Exchange(headers=headers, digests=(DIGEST,)).answer.status == 401


def test_the_log_holds_no_key_no_query_and_no_path(locked):
    mark = "acme-corporation"
    locked.ask("GET", f"/sleep/0?company={mark}", **bearer(KEY))
    locked.ask("GET", f"/{mark}", X_API_Key=WRONG_KEY)
    locked.ask("GET", f"/{mark}", X_API_Key=KEY)
    locked.ask("POST", "/length", mark.encode(), **bearer(NEXT_KEY))
    seen = [
        ("GET", "/sleep/{seconds}", 200, "1.2.3"),
        ("GET", "/unknown", 401, None),
        ("GET", "/unknown", 404, None),
        ("POST", "/length", 200, None),
    ]

    def last() -> list[tuple[Any, ...]]:
        lines = locked.records("ml_sys.access")[-4:]
        return [(line["method"], line["route"], line["status"], line["version"]) for line in lines]

    until(lambda: last() == seen)
    text = locked.log.read_text()
    for private in (mark, KEY, NEXT_KEY, WRONG_KEY, DIGEST, "127.0.0.1", "/sleep/0"):
        assert private not in text


def test_each_request_is_observed_once_with_its_template(server):
    def observed() -> list[list[Any]]:
        return [one for one in server.notes()["observed"] if one[1] != "/ready"]

    before = len(observed())
    asked = [
        ("GET", "/sleep/0.1", b"", "/sleep/{seconds}", 200),
        ("HEAD", "/sleep/0", b"", "/sleep/{seconds}", 200),
        ("GET", "/acme-corporation", b"", "/unknown", 404),
        ("GET", "/boom", b"", "/boom", 500),
        ("PUT", "/length", b"", "/length", 405),
        ("POST", "/length", b"x" * (LIMIT + 1), "/unknown", 413),
    ]
    for method, path, body, _, _ in asked:
        server.ask(method, path, body)
    until(lambda: len(observed()) >= before + len(asked))
    seen = observed()[before:]
    assert [tuple(one[:3]) for one in seen] == [(one[0], *one[3:]) for one in asked]
    assert 0.1 <= seen[0][3] < PATIENCE


def test_other_scopes_pass_through_untouched():
    passed = []

    async def app(*arguments: Any) -> None:
        passed.append(arguments)

    guard = Guard(
        app, limits=RequestLimits(max_body_bytes=1), digests=(DIGEST,), access=AccessLog(1), observe=print
    )
    for kind in ("lifespan", "websocket"):
        arguments: tuple[Any, ...] = ({"type": kind}, object(), object())
        asyncio.run(guard(*arguments))
        assert passed.pop() == arguments


def test_an_answer_that_an_application_makes_out_of_a_refusal_is_dropped():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await read_body(receive)
        except Exception:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b"no"})

    answer = Exchange(app, body=[b"x" * LIMIT, b"x"]).answer
    assert (answer.status, answer.is_problem) == (413, True)


def test_an_application_that_swallows_being_stopped_gets_its_caller_503_as_well():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(PATIENCE)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    seen = Exchange(app, timeout_seconds=0.1)
    assert seen.answer.status == 503
    assert [one[:3] for one in seen.observed] == [("POST", "/unknown", 503)]


def test_a_timeout_of_the_application_s_own_is_a_failure_of_its_own():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise TimeoutError(INNERMOST)

    assert Exchange(app).answer.status == 500


def test_a_server_that_stops_may_stop_a_request():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        Exchange(app)


def test_a_streamed_answer_of_500_is_not_held_back():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    assert Exchange(app).answer.body == b"ab"


def test_problem_documents_are_json_without_anything_else():
    answer = Exchange(body=[b"x" * (LIMIT + 1)]).answer
    assert json.loads(answer.body)["type"] == "about:blank"
    assert answer.headers["content-length"] == str(len(answer.body))


def test_a_gone_client_does_not_hold_up_a_refusal():
    seen = Exchange(headers=[(b"content-length", b"999999")], body=[])
    assert seen.answer.status == 413
    assert seen.received == 1


def test_a_client_that_stays_silent_after_a_refusal_is_not_waited_for_long(server):
    with server.connect() as connection:
        connection.send(
            f"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: {LIMIT * 9}\r\n\r\n".encode()
        )
        began = time.monotonic()
        assert connection.answer().status == 413
        assert connection.is_closed()
        assert time.monotonic() - began < PATIENCE / 2
