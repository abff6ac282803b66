"""A real uvicorn on the loopback interface around a small application, and a client that speaks raw bytes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from ml_sys import logs
from ml_sys.serve.http.access import AccessLog
from ml_sys.serve.http.exchange import read_body
from ml_sys.serve.http.guard import REFUSED, Guard, RequestLimits
from ml_sys.serve.http.hosts import Hosts
from ml_sys.serve.http.keys import new_key
from ml_sys.serve.server import cut_off_silent_readers, listen, serve_http
from ml_sys.settings import ServeSettings

# Seconds that nothing needs, whatever the machine and what else it does.
PATIENCE = 60.0
STARTS_WITHIN = 5 * PATIENCE
TIMEOUT, LIMIT, SLOTS = 0.6, 100_000, 4  # the first of servers that are asked too slowly
(KEY, DIGEST), (NEXT_KEY, NEXT_DIGEST) = new_key(), new_key()
DEFAULTS: dict[str, Any] = {
    "max_header_bytes": 16_384,
    "timeout_seconds": PATIENCE,
    "max_concurrency": SLOTS,
    "max_body_bytes": LIMIT,
    "max_framework_bytes": LIMIT,
    "hosts": ["*"],
    "digests": [],
    "share": 1.0,
    "keep_alive": int(PATIENCE),
}
INNERMOST = "what only the application knows"
# What `mlsys serve` says once it listens, with the whole of its port.
ADDRESS = re.compile(r"http://\S+:(\d+),")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def create_app() -> FastAPI:
    """Make an application that does what a client asks for, good or bad."""
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/length")
    async def length(request: Request) -> dict[str, int]:
        return {"length": len(await read_body(request.receive))}

    @app.post("/framework")
    async def framework(body: Annotated[Any, Body()]) -> Any:
        return body

    @app.api_route("/sleep/{seconds}", methods=["GET", "POST", "HEAD"])
    async def sleep(seconds: float, request: Request) -> dict[str, float]:
        request.state.version = "1.2.3"
        await asyncio.sleep(seconds)
        return {"slept": seconds}

    @app.get("/thread/{seconds}")
    def thread(seconds: float) -> dict[str, float]:
        time.sleep(seconds)
        return {"slept": seconds}

    @app.get("/large")
    async def large() -> Response:
        return Response(b"x" * 20_000_000)

    app.state.let_go = asyncio.Event()

    @app.api_route("/held", methods=["GET", "POST"])
    async def held() -> dict[str, str]:
        await app.state.let_go.wait()
        return {"status": "let go"}

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError(INNERMOST)

    @app.get("/own-500")
    async def own() -> Response:
        return Response("mine", 500)

    @app.get("/late-boom")
    async def late_boom() -> StreamingResponse:
        async def pieces():
            yield b"begun"
            raise ValueError(INNERMOST)

        return StreamingResponse(pieces())

    @app.get("/page")
    async def page() -> HTMLResponse:
        own = {"content-security-policy": "default-src 'self'", "cache-control": "max-age=60"}
        return HTMLResponse("<p>", headers=own)

    return app


def serve(options: dict[str, Any]) -> None:
    """Run a server until it is terminated; the first line on stdout is its port."""
    logs.configure(json_lines=True, level="")
    app = create_app()
    observed: list[list[Any]] = []

    @app.get("/ready")  # answered also when the slots are full
    async def notes(of: str = "", let_go: bool = False) -> dict[str, Any]:
        if let_go:
            app.state.let_go.set()
            app.state.let_go = asyncio.Event()
        seen = [one for one in observed if of in {"", one[1]}]
        in_hand = options["max_concurrency"] - guarded._slots._left
        return {"observed": seen, "refused": dict(REFUSED), "in_hand": in_hand}

    guarded = Guard(
        app,
        limits=RequestLimits(
            max_header_bytes=options["max_header_bytes"],
            max_body_bytes=options["max_body_bytes"],
            max_body_bytes_of={"/framework": options["max_framework_bytes"]},
            timeout_seconds=options["timeout_seconds"],
            max_concurrency=options["max_concurrency"],
        ),
        digests=tuple(options["digests"]),
        hosts=Hosts(options["hosts"]),
        access=AccessLog(options["share"]),
        observe=lambda *seen: observed.append(list(seen)),
    )
    listener = listen("127.0.0.1", 0)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 – how the test learns the port
    cut_off_silent_readers(listener, options["timeout_seconds"])
    settings = {"max_header_bytes": options["max_header_bytes"], "keep_alive_seconds": options["keep_alive"]}
    serve_http(lambda: guarded, [listener], ServeSettings(**settings))


@dataclass(frozen=True)
class Answer:
    """One response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        a_problem = self.headers["content-type"] == "application/problem+json"
        return a_problem and self.json["status"] == self.status and bool(self.json["title"])


@dataclass
class Connection:
    """A connection that sends what it is told to and reads one response after the other."""

    port: int
    sock: socket.socket = field(init=False)
    _buffer: bytes = b""

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> Connection:
        self.sock.sendall(data)
        return self

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a whole request and return its answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        if body and "Content_Type" not in headers:
            lines.append("Content-Type: application/json")
        self.send("\r\n".join([*lines, "", ""]).encode() + body)
        return self.answer(with_body=method != "HEAD")

    def answer(self, *, with_body: bool = True) -> Answer:
        """Read the next response."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        parts = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in parts}
        length = int(headers.get("content-length", 0)) if with_body else 0
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(int(first.split(" ")[1]), headers, body)

    def is_closed(self, within: float = PATIENCE) -> bool:
        """Say whether the server ends the connection in time, without another byte."""
        self.sock.settimeout(within)
        try:
            return not self._buffer and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _more(self) -> None:
        data = self.sock.recv(65_536)
        if not data:
            raise ConnectionError(f"closed after {self._buffer!r}")
        self._buffer += data


@dataclass(frozen=True)
class Running:
    """A server process."""

    port: int
    pid: int
    log: Path

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        with Connection(self.port) as connection:
            return connection.ask(method, path, body, **headers)

    def notes(self, of: str = "", *, let_go: bool = False) -> dict[str, Any]:
        """Return what was observed (of a route), what was refused, and how many requests are in hand."""
        while (answer := self.ask("GET", f"/ready?of={of}&let_go={let_go}")).status != 200:
            pass  # a server of little patience gave up on it
        notes: dict[str, Any] = answer.json
        return notes

    def connect(self) -> Connection:
        return Connection(self.port)

    def records(self, logger: str) -> list[dict[str, Any]]:
        """Return what a logger of the process has written so far, in whole lines."""
        whole = self.log.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if line["logger"] == logger]

    def resident_bytes(self) -> int:
        return resident_bytes(self.pid)


def of_process(pid: int, file: str) -> str:
    """Return a file that the system keeps of a process, nothing of one that is gone or going."""
    try:
        return Path(f"/proc/{pid}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def workers_of(pid: int) -> list[int]:
    """Return the processes that a server spawned to answer; one that ends meanwhile is not among them."""
    children = of_process(pid, f"task/{pid}/children").split()
    return [int(child) for child in children if "spawn_main" in of_process(int(child), "cmdline")]


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds, none where it is gone."""
    return int([*of_process(pid, "statm").split(), 0, 0][1]) * _PAGE_BYTES


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and that nobody has waited for does not."""
    return of_process(pid, "stat").rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def until(condition: Callable[[], bool], within: float = PATIENCE) -> None:
    """Wait for something to come true, and fail if it does not."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def free_port() -> Iterator[int]:
    """Yield a port where nobody answers, and which nobody is given by chance until the end of the block.

    Whoever names it can listen there all the same: servers reuse addresses.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Running]:
    """Start a server with some options other than the defaults."""
    log = folder / "log"
    arguments = json.dumps({**DEFAULTS, **options})
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.serve.servers", arguments],
            stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        server = Running(int(line), process.pid, log)
        assert server.ask("GET", "/health").status == 200
        yield server
    finally:
        process.terminate()
        process.wait(timeout=STARTS_WITHIN)
        process.stdout.close()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
