"""Keep-alive connections that send requests for a while, and what comes of them.

Each connection has at most one request on its way. Without a rate the next one follows the answer (closed
loop). With a rate requests fall due at even distances whether or not earlier ones are answered, and latency
counts from when a request was due (open loop).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from tests.bench.http1 import Answer, UnreadableError, parse, wire

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
_TICK_SECONDS = 0.001  # between looks at what is due, and the finest that the event loop can do
_RETRY_SECONDS = 0.02  # before a refused connection is tried again
_GRACE_SECONDS = 15.0  # for answers still on their way when the time is over


@dataclass(frozen=True)
class Outcome:
    """What the load met with.

    Attributes
    ----------
    requests : int
        Answered or failed.
    seconds : float
        From the first request to the end of the time, without the wait for the last answers.
    per_second : float
        Answers within that time.
    statuses : dict of int to int
        Answers by status.
    failures : dict of str to int
        ``refused``: no connection; ``reset`` or ``closed``: none but the connection's end came for an answer;
        ``truncated``: part of one came; ``unreadable``: no HTTP, or more than one answer to a request;
        ``unanswered``: still on its way at the very end.
    latency_ms : dict of int to dict of str to float
        ``p50``, ``p90``, ``p99`` and ``max`` by status.
    unsent : int
        Requests that were due, but found no free connection in time; only with a rate.
    """

    requests: int
    seconds: float
    per_second: float
    statuses: dict[int, int]
    failures: dict[str, int]
    latency_ms: dict[int, dict[str, float]]
    unsent: int


class Generator:
    """All connections together: what is sent next, and what came of it."""

    def __init__(
        self, url: str, requests: list[dict[str, Any]], rate: float | None, count: int | None
    ) -> None:
        at = urlsplit(url)
        self.address = (at.hostname, at.port or 80)
        self.wire = [wire(request, at.netloc) for request in requests]
        self.rate, self.count = rate, count
        self.sent = self.on_their_way = 0
        self.started, self.over, self.done = 0.0, False, asyncio.Event()
        self.idle: deque[_Connection] = deque()
        self.opening: set[asyncio.Task[None]] = set()
        self.latencies: dict[bytes, list[float]] = defaultdict(list)
        self.failures: Counter[str] = Counter()
        self.records: list[tuple[int, str, float, float, bytes]] | None = None

    async def run(self, connections: int, seconds: float) -> Outcome:
        """Connect, put load on the server for so long, and wait for the last answers."""
        all_of_them = [_Connection(self) for _ in range(connections)]
        await asyncio.gather(*(connection.open() for connection in all_of_them))
        self.started = monotonic()
        for connection in all_of_them:
            if connection.transport is None:
                self.lost(connection)
        self._dispatch(self.started)
        if self.rate:
            asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)
        await self._finished(seconds)
        ended, self.over = monotonic(), True
        in_time = sum(map(len, self.latencies.values()))
        due = self._due(ended) if self.rate else self.sent
        unsent = max(0, due - self.sent)
        if self.on_their_way:
            self.done.clear()
            await self._finished(_GRACE_SECONDS)
        for connection in all_of_them:
            connection.stop()
        for task in self.opening:
            task.cancel()
        return self._outcome(ended - self.started, in_time, unsent)

    def stop(self) -> None:
        """End the load before its time; answers on their way are waited for."""
        self.done.set()

    def free(self, connection: _Connection, now: float) -> None:
        """Give a connection its next request, or have it wait for one."""
        if self.rate or not self.started or self.over or self.sent == self.count:
            self.idle.append(connection)
            if self.rate and self.started:
                self._dispatch(now)
        else:
            self._send(connection, now)

    def lost(self, connection: _Connection) -> None:
        """Open a connection again; before the start, the start does."""
        if connection in self.idle:
            self.idle.remove(connection)
        if self.started and not self.over:
            task = asyncio.get_running_loop().create_task(connection.open())
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    def answered(self, answer: Answer, index: int, due: float, now: float, data: bytes) -> None:
        self.latencies[answer.status].append(now - due)
        if self.records is not None:
            self.records.append((index, answer.status.decode(), due, now, data))
        self._one_less()

    def failed(self, kind: str, index: int, due: float) -> None:
        self.failures[kind] += 1
        if self.records is not None:
            self.records.append((index, kind, due, monotonic(), b""))
        if index >= 0:
            self._one_less()

    def _one_less(self) -> None:
        self.on_their_way -= 1
        if not self.on_their_way and (self.over or self.sent == self.count):
            self.done.set()

    def _send(self, connection: _Connection, due: float) -> None:
        index = self.sent % len(self.wire)
        self.sent += 1
        self.on_their_way += 1
        connection.send(index, due)

    def _due(self, now: float) -> int:
        """Return how many requests should have been sent by now."""
        due = 1 + int((now - self.started) * (self.rate or 0.0))
        return due if self.count is None else min(due, self.count)

    def _dispatch(self, now: float) -> None:
        if self.over:
            return
        due = self._due(now) if self.rate else len(self.idle) + self.sent
        while self.idle and self.sent < due and self.sent != self.count:
            at = self.started + self.sent / self.rate if self.rate else now
            self._send(self.idle.popleft(), at)

    def _tick(self) -> None:
        if not self.over:
            self._dispatch(monotonic())
            asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    async def _finished(self, within: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.done.wait(), within)

    def _outcome(self, seconds: float, in_time: int, unsent: int) -> Outcome:
        statuses = {int(status): len(found) for status, found in self.latencies.items()}
        return Outcome(
            requests=sum(statuses.values()) + self.failures.total(),
            seconds=seconds,
            per_second=in_time / seconds,
            statuses=statuses,
            failures=dict(self.failures),
            latency_ms={int(status): percentiles(found) for status, found in self.latencies.items()},
            unsent=unsent,
        )


class _Connection(asyncio.Protocol):
    """One connection, opened again whenever it ends before the load does."""

    def __init__(self, load: Generator) -> None:
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.index = -1  # of the request on its way
        self.due = 0.0
        self.came = b""

    async def open(self) -> None:
        """Try until there is a connection, or no need of one."""
        while not self.load.over:
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, *self.load.address)
            except OSError:
                self.load.failed("refused", -1, monotonic())
                if self.load.started:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
            return

    def stop(self) -> None:
        """End it, and what is still on its way has failed."""
        if self.index >= 0:
            self._fail("unanswered")
        elif self.transport:
            self.transport.close()

    def send(self, index: int, due: float) -> None:
        self.index, self.due = index, due
        self.transport.write(self.load.wire[index])  # type: ignore[union-attr]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.load.free(self, monotonic())

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        if self.came:
            data = self.came + data
        try:
            answer = parse(data)
        except UnreadableError:
            self._fail("unreadable")
            return
        if self.index < 0:  # nobody asked
            self._fail("unreadable")
        elif answer is None:
            self.came = data
        else:
            self._answered(answer, data, now)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.index >= 0:
            answer = parse(self.came, ended=True) if self.came and error is None else None
            if answer:
                self._answered(answer, self.came, monotonic())
            else:
                self._fail("truncated" if self.came else "reset" if error else "closed")
        self.load.lost(self)

    def _answered(self, answer: Answer, data: bytes, now: float) -> None:
        index, self.index, self.came = self.index, -1, b""
        self.load.answered(answer, index, self.due, now, data)
        if not answer.closes:
            self.load.free(self, now)
        elif self.transport:
            self.transport.close()

    def _fail(self, kind: str) -> None:
        index, self.index, self.came = self.index, -1, b""
        self.load.failed(kind, index, self.due)
        if self.transport:
            self.transport.abort()


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return the percentiles of some durations in milliseconds; each is one of the durations."""
    ordered = sorted(seconds)
    return {
        name: 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]
        for name, share in PERCENTILES.items()
    }
