"""HTTP as it goes over the wire, by a real server on the loopback interface."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.serve.servers import KEY, LIMIT, PATIENCE, SLOTS, Connection, Running, running, until

HEAD_LIMIT = 16_384
MEGABYTE = 1 << 20
HOST = b"Host: test\r\n"
START = b"GET /health HTTP/1.1\r\n" + HOST
POST = b"POST /length HTTP/1.1\r\n" + HOST
SILENT_READERS = 33
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIA\r\n"
TIME_WAIT = "06"  # in /proc/net/tcp
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def busy(server: Running) -> Iterator[list[Connection]]:
    """Fill every slot with a request that is answered when the block ends; then they are free again."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(SLOTS)]
        for connection in connections:
            connection.send(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n")
        until(lambda: server.notes()["in_hand"] == SLOTS)
        yield connections
        server.notes(let_go=True)
        assert [one.answer().json for one in connections] == [{"status": "let go"}] * SLOTS
        until(lambda: server.notes()["in_hand"] == 0)


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "in two packets"])
def test_a_request_that_asks_for_an_upgrade_is_answered_once_and_its_body_is_no_request(server, apart):
    inner = b"GET /sleep/0 HTTP/1.1\r\nHost: inner\r\nX-Request-ID: smuggled\r\n\r\n"
    head = POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(inner)
    with server.connect() as connection:
        connection.send(head if apart else head + inner)
        if apart:
            time.sleep(0.05)
            connection.send(inner)
        assert connection.answer().json == {"length": len(inner)}
        assert not connection.is_closed(0.2)
        assert connection.ask("GET", "/sleep/0", X_Request_ID="mine").headers["x-request-id"] == "mine"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_that_offers_http2_is_answered(server):
    command = ["curl", "-sS", "--http2", "-d", "0123456789", f"http://127.0.0.1:{server.port}/length"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == '{"length":10}'


@pytest.mark.parametrize(
    "upgrade", [UPGRADE, b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"]
)
def test_an_upgrade_is_ignored(server, upgrade):
    with server.connect() as connection:
        connection.send((START + upgrade + b"\r\n") * 2)
        assert [connection.answer().status for _ in range(2)] == [200, 200]
        assert connection.ask("GET", "/sleep/0").status == 200


def silent(server: Running, request: bytes, stack: ExitStack) -> socket.socket:
    """Connect, ask until nothing more is taken, and never read."""
    quiet = socket.socket()
    stack.enter_context(quiet)
    quiet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    quiet.connect(("127.0.0.1", server.port))
    quiet.setblocking(False)
    with suppress(BlockingIOError):
        for _ in range(50):
            quiet.send(request * 300)
    return quiet


def test_clients_without_a_key_that_never_read_keep_no_place_from_one_that_has_it(locked):
    with ExitStack() as stack:
        quiet = [
            silent(locked, b"GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n", stack)
            for _ in range(SILENT_READERS)
        ]
        for _ in range(10 * SLOTS):
            assert locked.ask("POST", "/length", b"abc", X_API_Key=KEY).json == {"length": 3}
        assert locked.notes("/length")["in_hand"] == 0
        assert all(is_held(locked, one) for one in quiet)  # they are not gone, they are in nobody's way


def is_held(server: Running, quiet: socket.socket) -> bool:
    """Say whether the system keeps the server's end of a connection."""
    ports = tuple(f"{port:04X}" for port in (server.port, quiet.getsockname()[1]))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        tuple(end.partition(":")[2] for end in row[1:3]) == ports and row[3] != TIME_WAIT for row in rows
    )


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system cuts nobody off")
@pytest.mark.parametrize("path", ["/large", "/nowhere"])
def test_a_client_that_never_reads_keeps_its_place_only_for_so_long(impatient, path):
    with ExitStack() as stack:
        request = f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
        quiet = [silent(impatient, request, stack) for _ in range(SLOTS)]
        until(lambda: not any(is_held(impatient, one) for one in quiet))
        until(lambda: impatient.notes("/sleep")["in_hand"] == 0)
        until(lambda: impatient.ask("GET", "/sleep/0").status == 200)  # it may be too slow for its patience


ENDLESS = {
    "url": (b"GET /", b"a" * 4096),
    "header name": (START, b"a" * 4096),
    "header value": (START + b"X-Long: ", b"a" * 4096),
    "headers": (START, b"X-Another: one\r\n" * 256),
    "trailers": (POST + CHUNKED + b"0\r\n", b"X-A: b\r\n" * 512),
}


@pytest.mark.parametrize("part", ENDLESS)
def test_a_head_without_end_is_refused_and_takes_no_memory(server, part):
    start, filler = ENDLESS[part]
    before = server.resident_bytes()
    with server.connect() as connection:
        with suppress(ConnectionError):
            connection.send(start)
            for _ in range(20 * MEGABYTE // len(filler)):
                if select.select([connection.sock], [], [], 0.01)[0]:
                    break  # what is sent after that resets the connection
                connection.send(filler)
        refused = connection.sock.recv(65_536)
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert server.resident_bytes() - before < 8 * MEGABYTE


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(
    ("size", "status"), [(HEAD_LIMIT - 200, 200), (HEAD_LIMIT + 200, 431), (3 * HEAD_LIMIT, 431)]
)
def test_a_head_is_measured_whether_it_comes_at_once_or_in_pieces(server, pieces, size, status):
    head = START + b"X-Long: " + b"a" * (size - len(START) - 12) + b"\r\n\r\n"
    step = -(-len(head) // pieces)
    with server.connect() as connection:
        for at in range(0, len(head), step):
            connection.send(head[at : at + step])
            time.sleep(0.005)
        answer = connection.answer()
        assert answer.status == status
        if status == 431:
            assert answer.is_problem
            assert connection.is_closed()


def test_a_large_body_is_no_large_head(server):
    with server.connect() as connection:
        for _ in range(3):
            assert connection.ask("POST", "/length", b"x" * LIMIT).json == {"length": LIMIT}
            assert connection.ask("GET", "/health").status == 200


def test_idle_and_slow_sockets_do_not_hurt_others(server):
    with ExitStack() as stack:
        for number in range(150):  # many, and fewer than some systems let a process open
            connection = stack.enter_context(server.connect())
            if number % 2:
                connection.send(START + b"X-Slow: ")
        for _ in range(20):
            assert server.ask("GET", "/health").status == 200
            assert server.ask("GET", "/sleep/0").status == 200


@pytest.mark.parametrize(
    "start",
    [POST + b"Content-Length: 100\r\n\r\nxxx", POST + CHUNKED + b"3\r\nxxx\r\n"],
)
def test_small_bodies_that_come_slowly_take_no_slot(impatient, start):
    with ExitStack() as stack:
        slow = [stack.enter_context(impatient.connect()) for _ in range(5 * SLOTS)]
        for connection in slow:
            connection.send(start)
        until(lambda: impatient.ask("GET", "/sleep/0").status == 200)
        assert impatient.notes("/sleep")["in_hand"] == 0
        for connection in slow[: 3 * SLOTS]:
            answer = connection.answer()
            assert (answer.status, answer.is_problem) == (408, True)
            assert connection.is_closed()


def test_a_body_may_come_in_pieces_of_any_size(server):
    for size, step in ((10, 1), (70_000, 33_000), (66_000, 65_000), (3, 3)):
        with server.connect() as connection:
            connection.send(POST + f"Content-Length: {size}\r\n\r\n".encode())
            for at in range(0, size, step):
                time.sleep(0.01)
                connection.send(b"x" * min(step, size - at))
            assert connection.answer().json == {"length": size}


def test_a_client_that_asks_for_leave_gets_it(server):
    with server.connect() as connection:
        connection.send(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert connection.answer().status == 100
        assert connection.send(b"abc").answer().json == {"length": 3}


def test_beyond_the_slots_callers_get_503_and_when_to_come_back(server):
    before = server.notes()["refused"].get("503", 0)
    with busy(server), server.connect() as connection, server.connect() as another:
        another.send(b"HEAD /sleep/0 HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = connection.ask("GET", "/sleep/0", X_Request_ID="mine-1")
        assert (answer.status, answer.is_problem) == (503, True)
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-request-id"] == answer.json["request_id"] == "mine-1"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert another.answer(with_body=False).status == 503
        assert connection.ask("GET", "/health").status == 200
    assert server.ask("GET", "/sleep/0").status == 200
    assert server.notes()["refused"]["503"] == before + 2


def test_requests_that_come_together_are_counted_together(tmp_path):
    with running(tmp_path, max_concurrency=1) as server, ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(12)]
        for connection in connections:
            assert connection.ask("GET", "/health").status == 200
        os.kill(server.pid, signal.SIGSTOP)  # for it they come at one moment
        try:
            for connection in connections:
                connection.send(b"GET /sleep/0 HTTP/1.1\r\n" + HOST + b"\r\n")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        statuses = [connection.answer().status for connection in connections]
    assert set(statuses) == {200, 503}


def test_requests_in_a_row_do_not_count_the_one_before(tmp_path):
    with running(tmp_path, max_concurrency=1) as server, server.connect() as connection:
        connection.send((b"GET /sleep/0 HTTP/1.1\r\n" + HOST + b"\r\n") * 200)
        assert [connection.answer().status for _ in range(200)] == [200] * 200


def test_requests_in_a_row_are_answered_in_their_order(server):
    waits = [0.05, 0.0, 0.02, 0.0]
    with server.connect() as connection:
        connection.send(b"".join(f"GET /sleep/{wait} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for wait in waits))
        assert [connection.answer().json["slept"] for _ in waits] == waits


def test_bodies_in_a_row_stay_with_their_requests(server):
    sizes = [10, 70_000, 0, 90_000, 1]
    with server.connect() as connection:
        for size in sizes:
            connection.send(POST + f"Content-Length: {size}\r\n\r\n".encode() + b"x" * size)
        assert [connection.answer().json["length"] for _ in sizes] == sizes


MALFORMED = [
    b"junk\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    START + START + b"\r\n",
    b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    START + b"no colon\r\n\r\n",
    START + b"X-Space : before the colon\r\n\r\n",
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    POST + b"Content-Length: 999999999999999999999\r\n\r\n",
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n",
    POST + CHUNKED + b"zz\r\n",
]


@pytest.mark.parametrize("request_bytes", MALFORMED)
def test_what_is_no_request_is_answered_once_and_ends_the_connection(server, request_bytes):
    said = b""
    with server.connect() as connection, suppress(ConnectionResetError):
        connection.send(request_bytes)
        while piece := connection.sock.recv(65_536):
            said += piece
    assert len(re.findall(rb"^HTTP/1.1 ", said, re.MULTILINE)) == 1
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ", b"HTTP/1.1 505 "))


@pytest.mark.parametrize("request_bytes", [b"", *MALFORMED])
def test_what_comes_behind_a_request_never_answers_for_it(server, request_bytes):
    with server.connect() as connection:
        connection.send(b"GET /sleep/0.1 HTTP/1.1\r\n" + HOST + b"\r\n" + request_bytes)
        assert connection.answer().json == {"slept": 0.1}


def test_a_malformed_body_is_no_error_of_the_application(server):
    before = server.records("ml_sys.serve.http.exchange")
    with server.connect() as connection:
        connection.send(POST + CHUNKED + b"1\r\nx\r\n")
        time.sleep(0.05)
        assert connection.send(b"zz\r\n").answer().status == 400
    assert server.records("ml_sys.serve.http.exchange") == before


def test_who_speaks_no_http_or_asks_for_another_protocol_fills_no_log(server):
    with server.connect() as connection:
        assert connection.send(b"\x16\x03\x01 hello\r\n\r\n").answer().status == 400
    assert server.ask("GET", "/health", Connection="upgrade", Upgrade="another").status == 200
    assert [one for one in server.records("uvicorn.error") if one["level"] == "WARNING"] == []
