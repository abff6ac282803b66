"""The load generator, against servers that answer as they are told to."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import Counter

import numpy as np
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import load
from tests.bench.generator import Generator
from tests.bench.http1 import UnreadableError, parse
from tests.serve.servers import PATIENCE, free_port

REQUESTS = [{"path": f"/{n}", "body": {"n": n}} for n in range(3)]


def answer(status: int = 200, body: bytes = b"{}", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), extra, body)


async def request_of(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Read a request; its path and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].split("\r\n")[0] or 0)
    return head.split()[1], await reader.readexactly(length)


def put_load(handle, *, connections=2, seconds=PATIENCE, rate=None, count=None, enough=None):
    """Put load on a server that handles requests so, until it is enough; what came of it, and the records."""

    async def serve(reader, writer):
        try:
            while not writer.is_closing():
                await handle(*await request_of(reader), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run():
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            generator = Generator(f"http://127.0.0.1:{port}", REQUESTS, rate, count)
            generator.records = []
            async with asyncio.TaskGroup() as both:
                running = both.create_task(generator.run(connections, seconds))
                while enough and not enough(generator) and not running.done():
                    await asyncio.sleep(0.005)
                if enough:
                    generator.stop()
            return running.result(), generator.records

    return uvloop.run(run())


def saying(*data: bytes):
    async def handle(path, body, writer):
        for part in data:
            writer.write(part)
            await asyncio.sleep(0)

    return handle


def test_requests_are_gone_through_in_turn_and_each_gets_its_own_answer():
    async def handle(path, body, writer):
        writer.write(answer(body=path.encode() + body))

    outcome, records = put_load(handle, connections=4, count=30)
    assert (outcome.requests, outcome.statuses, outcome.failures) == (30, {200: 30}, {})
    assert Counter(record[0] for record in records) == {0: 10, 1: 10, 2: 10}
    for index, _, due, done, data in records:
        assert data.endswith(b'/%d{"n": %d}' % (index, index))
        assert due < done


def test_load_ends_with_its_time_and_counts_what_it_was_told():
    outcome, records = put_load(saying(answer()), seconds=0.2)
    assert 0.19 < outcome.seconds < 30
    assert outcome.requests == outcome.statuses[200] == len(records) > 0  # how many is for the machine to say
    at_the_end = 2  # connections, whose last answers may have come after it
    in_time = round(outcome.per_second * outcome.seconds, 6)  # but for its last bits
    assert outcome.requests - at_the_end <= in_time <= outcome.requests


def test_latency_is_told_apart_by_status():
    async def handle(path, body, writer):
        if path == "/0":
            await asyncio.sleep(0.05)
        writer.write(answer(200 if path == "/0" else 503))

    outcome, records = put_load(handle, connections=1, count=6)
    assert outcome.statuses == {200: 2, 503: 4}
    for status, found in outcome.latency_ms.items():
        took = sorted(1000 * (done - due) for _, one, due, done, _ in records if one == str(status))
        assert (found["p50"], found["max"]) == (took[len(took) // 2], took[-1])
        assert found["p50"] <= found["p99"] <= found["max"]
    assert outcome.latency_ms[200]["p50"] > 40


def test_with_a_rate_latency_counts_from_when_a_request_was_due():
    async def handle(path, body, writer):
        await asyncio.sleep(0.02)
        writer.write(answer())

    closed, one_by_one = put_load(handle, connections=1, count=20)
    opened, together = put_load(handle, connections=1, count=20, rate=1000.0)
    # On one connection answers follow each other: their times add up, unless requests were due before.
    assert sum(done - due for _, _, due, done, _ in one_by_one) <= closed.seconds
    assert opened.latency_ms[200]["max"] > 300
    first = together[0][2]
    assert [due - first for _, _, due, _, _ in together] == pytest.approx(np.arange(20) / 1000, abs=1e-6)


def test_a_rate_is_kept_where_the_server_can_follow():
    outcome, records = put_load(saying(answer()), connections=8, count=40, rate=100.0)
    assert (outcome.requests, outcome.unsent) == (40, 0)
    first = min(due for _, _, due, _, _ in records)
    assert sorted(due - first for _, _, due, _, _ in records) == pytest.approx(np.arange(40) / 100, abs=1e-6)
    assert all(done >= due for _, _, due, done, _ in records)


def test_requests_that_found_no_free_connection_are_said():
    async def handle(path, body, writer):
        await asyncio.sleep(0.1)
        writer.write(answer())

    outcome, _ = put_load(handle, connections=1, seconds=0.3, rate=200.0)
    # What is due follows from the time, and of that one connection sends at most one each 0.1 s.
    assert outcome.requests + outcome.unsent == pytest.approx(200 * outcome.seconds, abs=3)
    assert outcome.requests <= 2 + outcome.seconds / 0.1


def test_a_connection_that_the_server_closes_after_its_answer_is_opened_again():
    async def handle(path, body, writer):
        writer.write(answer(extra=b"Connection: close\r\n"))
        writer.close()

    outcome, _ = put_load(handle, count=9)
    assert (outcome.statuses, outcome.failures) == ({200: 9}, {})


def test_an_answer_without_a_length_ends_with_its_connection():
    async def handle(path, body, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        writer.close()

    outcome, records = put_load(handle, count=4)
    assert (outcome.statuses, outcome.failures) == ({200: 4}, {})
    assert all(record[4].endswith(b"all of it") for record in records)


async def _close(path, body, writer):
    writer.close()


async def _reset(path, body, writer):
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _half(path, body, writer):
    writer.write(answer()[:-1])
    writer.close()


@pytest.mark.parametrize(
    ("handle", "kind"),
    [
        (_close, "closed"),
        (_reset, "reset"),
        (_half, "truncated"),
        (saying(b"SSH-2.0\r\n"), "unreadable"),
        (saying(answer() + answer()), "unreadable"),
    ],
)
def test_an_answer_that_does_not_come_whole_is_a_failure_of_its_kind(handle, kind):
    outcome, records = put_load(handle, count=5)
    assert (outcome.requests, outcome.statuses, outcome.failures) == (5, {}, {kind: 5})
    assert {record[1] for record in records} == {kind}


def test_an_answer_that_nobody_asked_for_is_a_failure():
    async def handle(path, body, writer):
        writer.write(answer())
        await asyncio.sleep(0.02)
        writer.write(answer())
        writer.close()

    outcome, _ = put_load(handle, connections=1, rate=0.001, enough=lambda load: load.failures)
    assert (outcome.statuses, outcome.failures) == ({200: 1}, {"unreadable": 1})


def test_a_load_that_is_stopped_waits_for_the_answers_on_their_way():
    async def handle(path, body, writer):
        await asyncio.sleep(0.05)
        writer.write(answer())

    outcome, _ = put_load(handle, connections=3, enough=lambda load: load.sent == 3)
    assert (outcome.requests, outcome.statuses, outcome.failures) == (3, {200: 3}, {})
    assert outcome.seconds < PATIENCE


def test_what_is_never_answered_is_a_failure(monkeypatch):
    monkeypatch.setattr("tests.bench.generator._GRACE_SECONDS", 0.1)
    outcome, _ = put_load(saying(), connections=3, seconds=0.1)
    assert (outcome.requests, outcome.failures) == (3, {"unanswered": 3})


def test_a_server_that_is_not_there_is_tried_again_until_it_is():
    async def serve(reader, writer):
        await request_of(reader)
        writer.write(answer())
        writer.close()

    async def run():
        with free_port() as port:
            generator = Generator(f"http://127.0.0.1:{port}", REQUESTS, None, 1)
            running = asyncio.create_task(generator.run(1, PATIENCE))
            while generator.failures["refused"] < 3:
                await asyncio.sleep(0.005)
            async with await asyncio.start_server(serve, "127.0.0.1", port):
                return await running

    outcome = uvloop.run(run())
    assert outcome.statuses == {200: 1}
    assert set(outcome.failures) == {"refused"}


def test_a_server_that_is_not_there_is_a_failure(tmp_path):
    record = tmp_path / "record"
    with free_port() as port:
        url = f"http://127.0.0.1:{port}"
        outcome = load.start(url, REQUESTS, connections=2, seconds=0.5, record=record).outcome()
    assert outcome.failures == {"refused": outcome.requests}
    assert outcome.requests >= 2
    assert outcome.statuses == {}
    first = json.loads(record.read_text().splitlines()[0])
    assert (first["failure"], first["request"]) == ("refused", -1)


@given(st.binary(max_size=300), st.sampled_from([200, 422, 503]), st.data())
def test_an_answer_is_whole_with_its_last_byte_and_not_before(body, status, data):
    whole = answer(status, body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert parse(whole[:cut]) is None
    found = parse(whole)
    assert found is not None
    assert (found.status, whole[found.head :]) == (b"%d" % status, body)
    with pytest.raises(UnreadableError):
        parse(whole + b"x")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_answer_of_no_known_length_is_unreadable(data):
    with pytest.raises(UnreadableError):
        parse(data)
