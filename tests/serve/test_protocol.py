"""What is refused before the application is asked, by a real server on the loopback interface."""

from __future__ import annotations

import asyncio
import pickle
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import httptools
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ml_sys.serve.protocol import MAX_PIPELINED, LimitedProtocol, Limits, ServeConfig
from tests.serve.servers import Connection, Running, create_app, running, until

TIMEOUT = 1.0
LIMIT = 16_384
SLOTS = 4
MEGABYTE = 1 << 20
START = b"GET /health HTTP/1.1\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("protocol")
    with running(
        folder, timeout_seconds=TIMEOUT, max_header_bytes=LIMIT, max_concurrency=SLOTS, share=0
    ) as it:
        yield it


@contextmanager
def busy(server: Running, seconds: float) -> Iterator[list[Connection]]:
    """Fill every slot with a request that takes a while; in the end they are free again."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(SLOTS)]
        for connection in connections:
            connection.send(f"GET /sleep/{seconds} HTTP/1.1\r\n\r\n".encode())
        until(lambda: server.notes()["tasks"] > SLOTS)
        yield connections
        until(lambda: server.notes()["tasks"] == 1)


ENDLESS = {
    "url": (b"GET /", b"a" * 4096),
    "header name": (START, b"a" * 4096),
    "header value": (START + b"X-Long: ", b"a" * 4096),
    "headers": (START, b"X-Another: one\r\n" * 256),
    "blank lines": (b"", b"\r\n" * 2048),
    "trailers": (b"POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 512),
    "trailer": (b"POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: ", b"a" * 4096),
}


@pytest.mark.parametrize("part", ENDLESS)
def test_a_head_without_end_is_refused_and_the_connection_ends(server, part):
    start, filler = ENDLESS[part]
    with server.connect() as connection:
        connection.send(start)
        for _ in range(LIMIT // len(filler) + 1):
            if select.select([connection.sock], [], [], 0.02)[0]:
                break  # it has answered; what is sent after that resets the connection
            connection.send(filler)
        answer = connection.answer()
        assert answer.status == 431
        assert answer.is_problem
        assert answer.headers["connection"] == "close"
        assert connection.is_closed()


@pytest.mark.parametrize("part", ENDLESS)
def test_a_head_without_end_takes_no_memory(server, part):
    start, filler = ENDLESS[part]
    before = server.resident_bytes()
    with server.connect() as connection, suppress(ConnectionError):
        connection.send(start)
        for _ in range(20 * MEGABYTE // len(filler)):
            connection.send(filler)
    assert server.resident_bytes() - before < 8 * MEGABYTE


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(("size", "status"), [(LIMIT - 200, 200), (LIMIT + 200, 431), (4 * LIMIT, 431)])
def test_a_head_is_measured_whether_it_comes_at_once_or_in_pieces(server, pieces, size, status):
    head = START + b"X-Long: " + b"a" * (size - len(START) - 12) + b"\r\n\r\n"
    step = -(-len(head) // pieces)
    with server.connect() as connection:
        with suppress(ConnectionError):  # what is sent after the refusal meets a closed door
            for at in range(0, len(head), step):
                connection.send(head[at : at + step])
                time.sleep(0.005)
        assert connection.answer().status == status


def test_a_large_body_is_no_large_head(server):
    with server.connect() as connection:
        for _ in range(3):
            assert connection.ask("POST", "/length", b"x" * 5 * LIMIT).json == {"length": 5 * LIMIT}
            assert connection.ask("GET", "/health").status == 200


def test_a_head_that_stalls_gets_408(server):
    with server.connect() as connection:
        began = time.monotonic()
        connection.send(START + b"X-Slow: ")
        answer = connection.answer()
        assert (answer.status, answer.is_problem) == (408, True)
        assert TIMEOUT * 0.9 < time.monotonic() - began < TIMEOUT * 3
        assert connection.is_closed()


def test_a_head_that_dribbles_gets_408_as_well(server):
    with server.connect() as connection:
        began = time.monotonic()
        with suppress(ConnectionError):
            for octet in START * 10:
                connection.send(bytes([octet]))
                time.sleep(0.1)
                if time.monotonic() - began > TIMEOUT:
                    break
        assert connection.answer().status == 408
        assert time.monotonic() - began < TIMEOUT * 3


def test_a_second_head_that_stalls_gets_408(server):
    with server.connect() as connection:
        assert connection.ask("GET", "/health").status == 200
        assert connection.send(b"GET").answer().status == 408
        assert connection.is_closed()


def test_a_connection_that_sends_nothing_is_closed_without_a_word(server):
    with server.connect() as connection:
        began = time.monotonic()
        assert connection.is_closed()
        assert TIMEOUT * 0.9 < time.monotonic() - began < TIMEOUT * 3


def test_a_head_that_waits_for_an_answer_of_ours_is_not_late(server):
    with server.connect() as connection:
        connection.send(b"GET /sleep/0.7 HTTP/1.1\r\n\r\n" + START)
        assert connection.answer().json == {"slept": 0.7}
        time.sleep(0.1)
        assert connection.send(b"\r\n").answer().json == {"status": "ok"}


def test_idle_and_slow_sockets_do_not_hurt_others(server):
    with ExitStack() as stack:
        for number in range(300):
            connection = stack.enter_context(server.connect())
            if number % 2:
                connection.send(START + b"X-Slow: ")
        began = time.monotonic()
        for _ in range(20):
            assert server.ask("GET", "/health").status == 200
            assert server.ask("GET", "/sleep/0").status == 200
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    "start",
    [
        b"POST /length HTTP/1.1\r\nContent-Length: 100\r\n\r\nxxx",
        b"POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n",
    ],
)
def test_small_bodies_that_come_slowly_take_no_slot(server, start):
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(5 * SLOTS)]
        for connection in slow:
            connection.send(start)
        time.sleep(0.1)
        assert server.ask("GET", "/sleep/0").status == 200
        assert server.notes()["tasks"] == 1
        for connection in slow[: 3 * SLOTS]:
            answer = connection.answer()
            assert (answer.status, answer.is_problem) == (408, True)
            assert connection.is_closed()


def test_a_body_may_come_in_pieces_of_any_size(server):
    for size, step in ((10, 1), (70_000, 33_000), (66_000, 65_000), (3, 3)):
        with server.connect() as connection:
            connection.send(f"POST /length HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
            for at in range(0, size, step):
                time.sleep(0.01)
                connection.send(b"x" * min(step, size - at))
            assert connection.answer().json == {"length": size}


def test_a_client_that_asks_for_leave_gets_it(server):
    with server.connect() as connection:
        connection.send(b"POST /length HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert connection.answer().status == 100
        assert connection.send(b"abc").answer().json == {"length": 3}


def test_beyond_the_slots_callers_get_503_and_when_to_come_back(server):
    before = server.notes()["refused"].get("503", 0)
    with busy(server, 0.95) as slow:
        with server.connect() as connection:
            answer = connection.ask("GET", "/sleep/0", X_Request_ID="mine-1")
            assert (answer.status, answer.is_problem) == (503, True)
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["x-request-id"] == answer.json["request_id"] == "mine-1"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert connection.ask("HEAD", "/sleep/0").status == 503
            assert connection.ask("POST", "/length", b"x" * 50_000).status == 503
            assert connection.ask("GET", "/health").status == 200
        assert [one.answer().json for one in slow] == [{"slept": 0.95}] * SLOTS
        with server.connect() as connection:
            assert connection.ask("GET", "/sleep/0").status == 200
    assert server.notes()["refused"]["503"] == before + 3


def test_a_refusal_ends_the_connection_of_a_client_that_cannot_keep_it(server):
    with busy(server, 0.95):
        for request in (
            b"GET /sleep/0 HTTP/1.0\r\n\r\n",
            b"GET /sleep/0 HTTP/1.1\r\nConnection: close\r\n\r\n" + START + b"\r\n",
            b"POST /length HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        ):
            with server.connect() as connection:
                answer = connection.send(request).answer()
                assert (answer.status, answer.headers["connection"]) == (503, "close")
                assert connection.is_closed()


def test_requests_in_a_row_are_answered_in_their_order(server):
    waits = [0.05, 0.0, 0.02, 0.0]
    with server.connect() as connection:
        connection.send(b"".join(f"GET /sleep/{wait} HTTP/1.1\r\n\r\n".encode() for wait in waits))
        assert [connection.answer().json["slept"] for _ in waits] == waits


def test_bodies_in_a_row_stay_with_their_requests(server):
    sizes = [10, 70_000, 0, 90_000, 1]
    with server.connect() as connection:
        for size in sizes:
            head = f"POST /length HTTP/1.1\r\nContent-Length: {size}\r\n\r\n"
            connection.send(head.encode() + b"x" * size)
        assert [connection.answer().json["length"] for _ in sizes] == sizes


def test_too_many_requests_in_a_row_are_cut_off_after_those_that_were_taken(server):
    before = server.resident_bytes()
    with server.connect() as connection:
        with suppress(ConnectionError):
            connection.send(b"GET /sleep/0.2 HTTP/1.1\r\n\r\n" + (START + b"\r\n") * 50_000)
        answered = 0
        with suppress(ConnectionError):
            while answered < 1000:
                assert connection.answer().status == 200
                answered += 1
        assert 1 < answered <= MAX_PIPELINED + 1
    assert server.resident_bytes() - before < 8 * MEGABYTE


def test_refused_requests_in_a_row_are_each_answered(server):
    with busy(server, 0.95), server.connect() as connection:
        connection.send(b"GET /sleep/0 HTTP/1.1\r\n\r\n" * MAX_PIPELINED)
        assert [connection.answer().status for _ in range(MAX_PIPELINED)] == [503] * MAX_PIPELINED


MALFORMED = [
    b"junk\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET http://host HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"CONNECT host:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"POST /length HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /length HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST /length HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /length HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


@pytest.mark.parametrize("request_bytes", MALFORMED)
def test_malformed_http_gets_a_problem_document(server, request_bytes):
    with server.connect() as connection:
        answer = connection.send(request_bytes).answer()
        assert (answer.status, answer.is_problem) == (400, True)
        assert connection.is_closed()


@pytest.mark.parametrize("request_bytes", [b"", *MALFORMED])
def test_what_comes_behind_a_request_never_answers_for_it(server, request_bytes):
    with server.connect() as connection:
        connection.send(b"GET /sleep/0.1 HTTP/1.1\r\n\r\n" + request_bytes)
        assert connection.answer().json == {"slept": 0.1}
        if request_bytes:
            with suppress(ConnectionError):
                assert connection.answer().status == 400  # where the error is in the body, it has its turn
            assert connection.is_closed()


def test_a_malformed_body_is_no_error_of_the_application(server):
    with server.connect() as connection:
        connection.send(b"POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        time.sleep(0.1)
        assert connection.send(b"zz\r\n").answer().status == 400
        assert connection.is_closed()
    assert server.records("ml_sys.serve.guard") == []
    assert server.records("uvicorn.error") == []


def test_an_upgrade_is_ignored(server):
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    with server.connect() as connection:
        connection.send((START + upgrade + b"\r\n") * 2)
        assert [connection.answer().status for _ in range(2)] == [200, 200]
        assert connection.ask("GET", "/sleep/0").status == 200


def test_workers_get_the_limits_by_pickle():
    limits = Limits(max_header_bytes=1, request_timeout_seconds=2.0, max_concurrency=3)
    config = ServeConfig("tests.serve.servers:create_app", limits=limits, factory=True, workers=2)
    there = pickle.loads(pickle.dumps(config))  # noqa: S301 – our own bytes
    assert (there.limits, there.http, there.workers) == (limits, LimitedProtocol, 2)
    with pytest.raises(TypeError):
        ServeConfig(create_app(), limits=limits, http="h11")


def test_uvicorn_still_has_what_the_limits_lean_on():
    """An upgrade that renames one of these would switch a protection off without a word."""
    overridden = {name for name, part in vars(LimitedProtocol).items() if callable(part)}
    hooks = {
        *("connection_made", "connection_lost", "data_received", "_start_asgi_task"),
        *("on_message_begin", "on_headers_complete", "on_body", "on_message_complete"),
    }
    assert hooks <= overridden
    for name in (*hooks, "_unset_keepalive_if_required", "on_response_complete"):
        assert callable(getattr(HttpToolsProtocol, name)), name
    config = ServeConfig(create_app(), limits=Limits(1, 1.0, 1), log_config=None)
    loop = asyncio.new_event_loop()
    connection = HttpToolsProtocol(config, ServerState(), {}, loop)
    loop.close()
    connection.on_message_begin()
    for name in ("parser", "cycle", "pipeline", "tasks", "headers", "url", "transport", "loop"):
        assert hasattr(connection, name), name
    assert isinstance(connection.parser, httptools.HttpRequestParser)
    fields = set(RequestResponseCycle.__init__.__code__.co_names)
    assert fields >= {
        "body",
        "more_body",
        "disconnected",
        "keep_alive",
        "message_event",
        "response_complete",
        "response_started",
        "scope",
        "waiting_for_100_continue",
    }
