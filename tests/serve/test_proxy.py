"""The real nginx with the configuration that is shipped, in front of real servers."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.serve.servers import PATIENCE, Connection, Running, free_port, running, until

CONFIGURATION = Path(__file__).parents[2] / "conf" / "nginx.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
HOST = b"Host: localhost\r\n"
SHORT = 1  # seconds, instead of the ten of the configuration

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@dataclass
class Secure(Connection):
    """A connection through TLS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    port: int
    plain_port: int

    def connect(self) -> Secure:
        return Secure(self.port)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str):
        with self.connect() as connection:
            return connection.ask(method, path, body, **headers)


def certificate(folder: Path) -> None:
    """Write a certificate of our own with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    until_when = now + timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, until_when)
    (folder / "tls.crt").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@contextmanager
def proxy(folder: Path, *ports: int) -> Iterator[Proxy]:
    """Run nginx with the shipped configuration in front of servers on these ports of this machine."""
    certificate(folder)
    with free_port() as port, free_port() as plain:
        yield from _behind(folder, ports, port, plain)


def _behind(folder: Path, ports: Sequence[int], port: int, plain: int) -> Iterator[Proxy]:
    assert NGINX is not None
    text = CONFIGURATION.read_text()
    servers = re.search(r"server mlsys:8000 (.*);", text)
    assert servers is not None
    for old, new in (
        (servers[0], " ".join(f"server 127.0.0.1:{one} {servers[1]};" for one in ports)),
        ("listen 8443", f"listen 127.0.0.1:{port}"),
        ("listen 8080", f"listen 127.0.0.1:{plain}"),
        ("/etc/mlsys/", ""),  # in the folder of the configuration
        ("/tmp/mlsys-nginx", "nginx"),  # noqa: S108 - what the configuration says
        ("client_header_timeout 10s", f"client_header_timeout {SHORT}s"),
        ("client_body_timeout 10s", f"client_body_timeout {SHORT}s"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(f"daemon off;\n{text}")
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (folder / "nginx.log").read_text()
        yield Proxy(port, plain)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        return True
    return False


@pytest.fixture(scope="module")
def front(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxy(tmp_path_factory.mktemp("proxy"), server.port) as one:
        yield one


def test_requests_and_problems_pass_as_they_are(front):
    with front.connect() as connection:
        assert connection.ask("POST", "/length", b"abc").json == {"length": 3}
        answer = connection.ask("GET", "/boom", X_Request_ID="mine")
        assert (answer.status, answer.is_problem) == (500, True)
        assert answer.json["request_id"] == "mine"
        assert answer.headers["strict-transport-security"]


def test_without_tls_there_is_only_the_way_to_it(front):
    with Connection(front.plain_port) as connection:
        answer = connection.ask("GET", "/health")
    assert (answer.status, answer.headers["location"]) == (308, "https://localhost/health")


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_speaks_either_version_of_http(front, version):
    address = f"https://127.0.0.1:{front.port}/length"
    command = ["curl", "-sSk", version, "-d", "0123456789", "-w", " %{http_version}", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == '{"length":10} ' + version.removeprefix("--http")


@pytest.mark.parametrize(
    "start", [b"GET /health HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b""]
)
def test_a_head_that_does_not_come_ends_the_connection(front, start):
    began = time.monotonic()
    with front.connect() as connection, suppress(ConnectionError, ssl.SSLError):
        for octet in start:
            connection.send(bytes([octet]))
            time.sleep(0.01)
        assert connection.sock.recv(1000) == b""
    assert time.monotonic() - began < PATIENCE / 2


def test_a_body_that_does_not_come_is_refused_and_the_service_never_asked(front, server):
    before = len(server.notes()["observed"])
    with front.connect() as connection, suppress(ConnectionError):
        connection.send(b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nab")
        answer = connection.answer()
        assert (answer.status, answer.is_problem) == (408, True)
    assert [one for one in server.notes()["observed"][before:] if one[1] == "/length"] == []


def test_a_large_head_is_refused(front):
    assert front.ask("GET", "/health", X_Long="a" * 20_000).status == 431
    answer = front.ask("GET", "/health", X_Long="a" * 20_000)
    assert answer.is_problem


def test_a_large_body_is_refused_before_it_comes(front):
    with front.connect() as connection:
        connection.send(b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 9000000\r\n\r\n")
        answer = connection.answer()
    assert (answer.status, answer.is_problem) == (413, True)


SMUGGLED = b"GET /sleep/0 HTTP/1.1\r\nHost: inner\r\nX-Request-ID: smuggled\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(SMUGGLED)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (CHUNKED + LENGTH, b"0\r\n\r\n" + SMUGGLED, 400),
        (b"Content-Length: 0\r\n" + LENGTH, SMUGGLED, 400),
        (b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + SMUGGLED, 400),
        (b"Transfer-Encoding:\x0bchunked\r\n" + LENGTH, SMUGGLED, 400),
        (UPGRADE + LENGTH, SMUGGLED, 200),
    ],
)
def test_nothing_is_smuggled_past_the_proxy(front, server, headers, body, status):
    before = len(server.notes()["observed"])
    with front.connect() as connection:
        connection.send(b"POST /length HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body)
        answer = connection.answer()
        if status == 200:
            assert answer.json == {"length": len(SMUGGLED)}
        else:
            assert answer.status in {400, 501}
        assert select.select([connection.sock], [], [], 0.2)[0] == [] or connection.sock.recv(1000) == b""
    seen = [one[1] for one in server.notes()["observed"][before:]]
    assert "/sleep/{seconds}" not in seen
    assert seen.count("/length") == (status == 200)


def test_a_service_that_dies_fails_what_it_had_in_hand_and_nothing_is_asked_twice(server, tmp_path):
    (tmp_path / "dying").mkdir()
    with ExitStack() as stack:
        dying = stack.enter_context(running(tmp_path / "dying"))
        through = stack.enter_context(proxy(tmp_path, dying.port, server.port))
        before = len(server.notes()["observed"])
        waiting = []
        while not all(one.notes()["in_hand"] for one in (dying, server)):
            waiting.append(stack.enter_context(through.connect()))
            waiting[-1].send(b"POST /held HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n")
            until(lambda: sum(one.notes()["in_hand"] for one in (dying, server)) == len(waiting))
        os.kill(dying.pid, 9)
        server.notes(let_go=True)
        statuses = [connection.answer().status for connection in waiting]
        assert set(statuses) == {200, 502}
        asked = [one for one in server.notes()["observed"][before:] if one[1] == "/held"]
        assert len(asked) == statuses.count(200)
        # From now on the other one answers.
        assert {through.ask("POST", "/length", b"abc").status for _ in range(20)} == {200}


def test_without_a_service_there_is_a_problem_document(tmp_path):
    with free_port() as port, proxy(tmp_path, port) as alone:
        answer = alone.ask("POST", "/length", b"abc")
    assert (answer.status, answer.is_problem) == (502, True)
