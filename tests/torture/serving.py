"""Torments a running service: promotions and malformed requests under load, overload, signals."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from ml_sys.registry.audit import Change
from ml_sys.registry.store import Registry
from tests.bench.generator import Outcome
from tests.bench.load import start
from tests.torture.service import (
    ENDS_WITHIN,
    STARTS_WITHIN,
    Service,
    bodies_of,
    expected,
    logged,
    predictions_to_ask,
    recorded,
    serving,
)

Found = tuple[dict[str, Any], list[str]]

CONNECTIONS, TIMES_AS_MANY, ROUNDS = 32, 10, 7
ROOM = CONNECTIONS + 8  # for them and for who asks how it goes
# As many as one worker takes while it still holds those that the lost one's callers have left.
LEFT_ALONE = 24
SWAP_SECONDS = RECOVERY_SECONDS = 2.0
MOST_GROWTH, MOST_TAIL = 0.05, 2.0
WARM_UP_SECONDS = 4.0
WARM_UP_ROUNDS, SETTLED_SHARE = 10, 0.01
MALFORMED_SHARE = 0.1
# Of a load that is stopped, and of a service that says that it is ending.
ENDLESS, DRAIN_SECONDS = 3600.0, 5.0
_MAX_BODY = 200_000
_SAMPLE_SECONDS = 0.25
_OK, _BUSY, _SERVER_ERROR = 200, 503, 500
_MEGABYTE = 1e6


def swap(
    artifacts: Path, seconds: float, changes: int, workers: int, seed: int, *, judge_speed: bool = True
) -> Found:
    """Change the production version under load; every answer is the one of the version that it names.

    ``judge_speed`` off, here and below: time and growth of memory are no failures, since a short run on a
    busy machine says nothing of them, and each change is waited for.
    """
    chance = random.Random(seed)  # noqa: S311 - a test
    bodies = bodies_of(artifacts)
    should = expected(artifacts, bodies)
    registry, record = Registry(artifacts), artifacts.parent / "swap.jsonl"
    _forced(registry, min(should))
    moves, sizes = [(0.0, min(should))], []
    with serving(artifacts, workers, max_concurrency=ROOM) as service:
        _warm_up(service, predictions_to_ask(bodies), judge_speed=judge_speed)
        load = start(
            service.url,
            predictions_to_ask(bodies),
            connections=CONNECTIONS,
            seconds=seconds if judge_speed else ENDLESS,
            record=record,
        )
        began = time.monotonic()
        sizes.append(service.resident())
        for number in range(changes):
            while (left := began + (number + 0.5) * seconds / changes - time.monotonic()) > 0:
                time.sleep(min(left, _SAMPLE_SECONDS))
                sizes.append(service.resident())
            moves.append((time.monotonic(), _moved(registry, chance)))
            if not judge_speed:
                _until(lambda: f'"{moves[-1][1]}"' in service.ask("/health")[1], STARTS_WITHIN)
                before = service.answered(moves[-1][1])
                _until(lambda before=before: service.answered(moves[-1][1]) > before, STARTS_WITHIN)
        if not judge_speed:
            load.stop()
        outcome = load.outcome()
    answers = recorded(record)
    failures = _not_ok(answers)
    failures += [
        f"request {one['request']}: {said} is not what the version it names gives"
        for one in answers
        if one.get("status") == _OK
        and (said := json.loads(one["body"]))["conversion_probability"]
        != should[said["model_version"]][one["request"]]
    ]
    stale = sum(not _timely(one, moves) for one in answers if one.get("status") == _OK)
    if stale and judge_speed:
        failures.append(f"{stale} answers by a version that left production over {SWAP_SECONDS} s before")
    growth = _growth(sizes)
    if growth > MOST_GROWTH and judge_speed:
        failures.append(f"memory grew by {growth:.1%}")
    waits = _waits(answers, moves)
    figures = {
        "answers": outcome.requests, "per second": round(outcome.per_second), "changes": len(moves) - 1,
        "seen": len(waits), "seen after s, median": round(median(waits), 2), "most": round(max(waits), 2),
        "memory growth": f"{growth:+.2%}", "p99 ms": _p99(outcome),
    }  # fmt: skip
    return figures, failures


def soak(artifacts: Path, seconds: float, workers: int, seed: int, *, judge_speed: bool = True) -> Found:
    """Mix malformed requests into good ones: each gets the answer that it has to."""
    chance = random.Random(seed)  # noqa: S311 - a test
    bodies = bodies_of(artifacts)
    malformed = _malformed(bodies[0])
    asked = [
        chance.choice(malformed) if chance.random() < MALFORMED_SHARE else chance.choice(_good(bodies))
        for _ in range(1000)
    ]
    record = artifacts.parent / "soak.jsonl"
    sizes = []
    with serving(artifacts, workers, max_body_bytes=_MAX_BODY) as service:
        requests = [request for _, request in asked]
        _warm_up(service, requests, judge_speed=judge_speed)
        load = start(service.url, requests, connections=8, seconds=seconds, record=record)
        began = time.monotonic()
        while not sizes or time.monotonic() < began + seconds:
            time.sleep(_SAMPLE_SECONDS)
            sizes.append(service.resident())
        outcome = load.outcome()
    wrong = Counter(
        f"{asked[one['request']][1].get('method', 'POST')} {asked[one['request']][1]['path'][:60]!r} gets "
        f"{one.get('status', one.get('failure'))}, not {asked[one['request']][0]}"
        for one in recorded(record)
        if one["request"] >= 0 and one.get("status") != asked[one["request"]][0]
    )
    failures = [f"{what}, {times} times" for what, times in wrong.items()]
    failures += [f"{n} of {status}" for status, n in outcome.statuses.items() if status >= _SERVER_ERROR]
    growth = _growth(sizes)
    if growth > MOST_GROWTH and judge_speed:
        failures.append(f"memory grew by {growth:.1%}")
    figures = {
        "per second": round(outcome.per_second), "statuses": dict(sorted(outcome.statuses.items())),
        "memory MB": round(sizes[-1] / _MEGABYTE), "memory growth": f"{growth:+.2%}",
    }  # fmt: skip
    return figures, failures


def overload(artifacts: Path, seconds: float, workers: int, options: dict[str, Any]) -> Found:
    """Ask ten times as much as can be answered: the rest is refused at once, and what is taken is quick.

    A full house is slower than a steady load, some of whose connections are always between two requests: half
    of the answers take about 1.7 times as long. So one pause of the machine decides what a single round says,
    and rounds of both loads take turns; what counts is the middle one of each.
    """
    bodies = bodies_of(artifacts)
    asked = predictions_to_ask(bodies)
    over, after = artifacts.parent / "overload.jsonl", artifacts.parent / "after.jsonl"
    each, many = seconds / ROUNDS, TIMES_AS_MANY * CONNECTIONS
    with serving(artifacts, workers, **options) as service:
        _warm_up(service, predictions_to_ask(bodies))
        # Not recorded: to write each answer down takes the client longer than to ask.
        rounds = [
            (
                start(service.url, asked, connections=CONNECTIONS, seconds=each).outcome(),
                start(service.url, asked, connections=many, seconds=each).outcome(),
            )
            for _ in range(ROUNDS)
        ]
        start(service.url, asked, connections=many, seconds=1, record=over).outcome()
        ended = max(one["done"] for one in recorded(over))
        start(
            service.url, asked, connections=CONNECTIONS, seconds=2 * RECOVERY_SECONDS, record=after
        ).outcome()
    usual, tail = (median(_p99(one[at]) for one in rounds) for at in (0, 1))
    times = sorted(_p99(pressed) / _p99(steady) for steady, pressed in rounds)
    refusals = [one for one in recorded(over) if one.get("status") == _BUSY]
    slow = [
        one["done"] - ended
        for one in recorded(after)
        if one.get("status") != _OK or 1000 * (one["done"] - one["due"]) > MOST_TAIL * usual
    ]
    # A pause of the machine is no overload: what counts is when half of the second was slow.
    by_second = Counter(int(at) for at in slow)
    late = sum(by_second[at] for at in by_second if at >= RECOVERY_SECONDS)
    statuses, lost = Counter[int](), Counter[str]()
    for _, pressed in rounds:
        statuses.update(pressed.statuses)
        lost.update(pressed.failures)
    failures = [] if refusals else ["nothing was refused"]
    failures += [
        f"a refusal without Retry-After: {one}"
        for one in refusals
        if "retry-after" not in one["head"].lower()
    ]
    failures += [f"overload: {kind}: {n}" for kind, n in lost.items()]
    failures += [f"{n} of {status}" for status, n in statuses.items() if status not in {_OK, _BUSY}]
    if tail > MOST_TAIL * usual:
        failures.append(f"accepted requests' p99 {tail} ms exceeds {MOST_TAIL * usual:.1f} ms")
    if late > len(recorded(after)) * 0.02:
        failures.append(f"{late} slow or refused answers over {RECOVERY_SECONDS} s after")
    half = [round(median(one[at].latency_ms[_OK]["p50"] for one in rounds), 1) for at in (0, 1)]
    figures = {
        "answered 200": statuses[_OK], "refused": statuses[_BUSY],
        "p50 ms, steady and overload": half, "p99 ms": [usual, tail],
        "p99 times steady": round(tail / usual, 2),
        "in single rounds": [round(times[0], 2), round(times[-1], 2)],
        "slow after, by second": dict(sorted(by_second.items())),
    }  # fmt: skip
    return figures, failures


def term(artifacts: Path, seconds: float, workers: int, *, judge_speed: bool = True) -> Found:
    """End the service under load: what it took is answered, and the log holds what was answered."""
    bodies = bodies_of(artifacts)
    record, before = artifacts.parent / "term.jsonl", logged(artifacts)
    with serving(artifacts, workers, max_concurrency=ROOM, drain_seconds=DRAIN_SECONDS) as service:
        _warm_up(service, predictions_to_ask(bodies), judge_speed=judge_speed)
        _until(lambda: logged(artifacts) - before == service.answered(), STARTS_WITHIN)
        before, begun = logged(artifacts), service.answered()
        load = start(
            service.url,
            predictions_to_ask(bodies),
            connections=CONNECTIONS,
            seconds=ENDLESS,
            record=record,
        )
        _until(lambda: service.answered() > begun, STARTS_WITHIN)
        time.sleep(seconds)
        told = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        ready = [_OK]
        unready = _until(lambda: ready.append(service.ask("/ready")[0]) or ready[-1] != _OK, ENDS_WITHIN)
        code = service.process.wait(ENDS_WITHIN)
        ended = time.monotonic()
        load.stop()
        load.outcome()
    answers = recorded(record)
    good = [one for one in answers if one.get("status") == _OK]
    lost = Counter(one["failure"] for one in answers if "failure" in one and one["failure"] != "refused")
    kept = logged(artifacts) - before
    failures = [f"{n} requests without an answer: {kind}" for kind, n in lost.items()]
    failures += [f"{one['status']}: {one['body']}" for one in answers if one.get("status", _OK) != _OK]
    if kept != len(good):
        failures.append(f"{kept} predictions in the log, and {len(good)} answered")
    if code not in {0, -signal.SIGTERM}:  # which uvicorn, having ended in order, sends itself again
        failures.append(f"exit code {code}")
    if ready[-1] != _BUSY or not any(one["done"] > told + unready for one in good):
        failures.append(f"/ready says {ready[-1]} and not 503 while requests are answered")
    figures = {
        "answered": len(good), "in the log": kept,
        "after the signal": sum(one["done"] > told for one in good),
        "not ready after s": round(unready, 2), "last answer after s": round(good[-1]["done"] - told, 2),
        "ended after s": round(ended - told, 2), "unanswered": dict(lost),
    }  # fmt: skip
    return figures, failures


def worker(artifacts: Path, seconds: float, workers: int, *, judge_speed: bool = True) -> Found:
    """Kill one worker: the others go on, another takes its place, and the metrics stay sums."""
    bodies = bodies_of(artifacts)
    record = artifacts.parent / "worker.jsonl"
    with serving(artifacts, workers) as service:
        _warm_up(service, predictions_to_ask(bodies), judge_speed=judge_speed)
        known = {"", *(service.answering() for _ in range(20 * workers))}
        before = service.answered()
        load = start(
            service.url, predictions_to_ask(bodies), connections=LEFT_ALONE, seconds=ENDLESS, record=record
        )
        _until(lambda: service.answered() > before, STARTS_WITHIN)
        time.sleep(seconds / 3)
        victim = min(service.workers())
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        back = _until(lambda: service.answering() not in known, STARTS_WITHIN)
        _until(lambda: service.counted("mlsys_model_workers") == workers, STARTS_WITHIN)
        alive = service.counted("mlsys_model_workers")
        time.sleep(seconds / 3)
        load.stop()
        load.outcome()
        counted = service.answered() - before
        answers = recorded(record)
    good = [one for one in answers if one.get("status") == _OK]
    lost = Counter(one["failure"] for one in answers if "failure" in one)
    gaps = [later["done"] - one["done"] for one, later in pairwise(good) if later["done"] > killed]
    failures = [f"{n} requests: {kind}" for kind, n in lost.items() if n > CONNECTIONS or kind == "refused"]
    failures += [f"{one['status']}: {one['body']}" for one in answers if one.get("status", _OK) != _OK]
    if not len(good) <= counted <= len(good) + lost.total():
        failures.append(f"the metrics count {counted:.0f}, and the client {len(good)}")
    if back >= STARTS_WITHIN or alive != workers:
        failures.append(f"{alive:.0f} workers in the end; a new one after {back:.1f} s")
    figures = {
        "answered": len(good), "counted": round(counted), "lost with the worker": dict(lost),
        "longest pause s": round(max(gaps, default=seconds), 2), "back after s": round(back, 2),
    }  # fmt: skip
    return figures, failures


def _forced(registry: Registry, version: str) -> None:
    registry.promote(version, registry.read().production, Change("torture", forced=True))


def _moved(registry: Registry, chance: random.Random) -> str:
    """Promote another version or go back to one, and return which."""
    index = registry.read()
    if index.replaced and chance.random() < 0.5:  # as often as not
        return registry.rollback(Change("torture"), registry.open)[1]
    version = chance.choice([one for one in index.versions if one != index.production])
    _forced(registry, version)
    return version


def _warm_up(service: Service, asked: list[dict[str, Any]], *, judge_speed: bool = True) -> None:
    """Let the service meet such requests for the first time, until what it loads for them is there."""
    if not judge_speed:
        start(service.url, asked, connections=CONNECTIONS, seconds=1.0).outcome()
        return
    for _ in range(WARM_UP_ROUNDS):
        before = service.resident()
        start(service.url, asked, connections=CONNECTIONS, seconds=WARM_UP_SECONDS).outcome()
        if service.resident() < before * (1 + SETTLED_SHARE):
            return


def _not_ok(answers: list[dict[str, Any]]) -> list[str]:
    kinds = Counter(str(one.get("status", one.get("failure"))) for one in answers)
    return [f"{n} answers of {kind}" for kind, n in kinds.items() if kind != str(_OK)]


def _timely(answer: dict[str, Any], moves: Sequence[tuple[float, str]]) -> bool:
    """Say whether the version that answered was in production at most so long before it was asked."""
    version = json.loads(answer["body"])["model_version"]
    ends = [at for at, _ in moves[1:]] + [float("inf")]
    return any(
        one == version and at <= answer["done"] and end >= answer["due"] - SWAP_SECONDS
        for (at, one), end in zip(moves, ends, strict=True)
    )


def _waits(answers: list[dict[str, Any]], moves: Sequence[tuple[float, str]]) -> list[float]:
    """Return how long after each change its version answered, where the next change left it the time."""
    seen = [
        (one["done"], json.loads(one["body"])["model_version"]) for one in answers if one.get("status") == _OK
    ]
    waits, at = [], 0
    ends = [when for when, _ in moves[2:]] + [float("inf")]
    for (when, version), end in zip(moves[1:], ends, strict=True):
        while at < len(seen) and seen[at][0] < when:
            at += 1
        found = next((done - when for done, one in seen[at:] if one == version or done > end), None)
        if found is not None and when + found <= end:
            waits.append(found)
    return waits


def _growth(sizes: Sequence[int]) -> float:
    """Return by how much of it the memory of the second quarter grew until the last one."""
    quarter = max(1, len(sizes) // 4)
    return median(sizes[-quarter:]) / median(sizes[quarter : 2 * quarter] or sizes) - 1


def _p99(outcome: Outcome) -> float:
    return round(outcome.latency_ms[_OK]["p99"], 1)


def _until(condition: Callable[[], bool], within: float) -> float:
    """Wait for something to come true; return the seconds that it took."""
    began = time.monotonic()
    while not condition() and time.monotonic() < began + within:
        time.sleep(0.01)
    return time.monotonic() - began


def _good(bodies: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    flat = [(_OK, request) for request in predictions_to_ask(bodies[:20])]
    batch = {"path": "/predict/batch", "body": {"companies": bodies[:5]}}
    reasons = {"path": "/predict?reasons=3", "body": bodies[1]}
    pages = [{"method": "GET", "path": path} for path in ("/health", "/model", "/metrics", "/openapi.json")]
    return flat + [(_OK, request) for request in (batch, reasons, *pages)]


def _malformed(body: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Return requests that cannot be answered with 200, with the status that each has to get."""
    name = next(one for one, value in body.items() if isinstance(value, float))
    text = next(one for one, value in body.items() if isinstance(value, str))
    unfit = [
        "", "{", "[]", "null", "nul", '"text"', "{}}", '{"a":', "\udcff\udcfe", "[" * 5000,
        {**body, "no_such_feature": 1}, {**body, text: 7}, {**body, text: "x" * 5000},
    ]  # fmt: skip
    no_numbers = ("NaN", "Infinity", "1e400", "-1e400", "1e39", '"text"', "[1]", "{}", "9" * 400)
    zero = json.dumps({**body, name: 0})
    unfit += [zero.replace(f'"{name}": 0', f'"{name}": {bad}') for bad in no_numbers]
    found = [(422, {"path": "/predict", "body": one}) for one in unfit]
    found += [(422, {"path": "/predict/batch", "body": one}) for one in ("{", "[", {"companies": 3}, {})]
    found += [(422, {"path": "/predict?reasons=x", "body": body})]
    found += [(405, {"method": "GET", "path": "/predict"}), (405, {"method": "DELETE", "path": "/health"})]
    found += [
        (404, {"method": "GET", "path": path})
        for path in ("/no/such/page", "/%00", "/companies/nobody", "//")
    ]
    found += [(413, {"path": "/predict", "body": "x" * (_MAX_BODY + 1)})]
    found += [(413, {"path": "/predict", "body": "{}", "headers": {"content-length": "99999999999"}})]
    found += [(431, {"method": "GET", "path": "/health", "headers": {"x-long": "x" * 20_000}})]
    found += [
        (400, {"method": method, "path": "/health"}) for method in ("B\x00D", "GET /a HTTP/9\r\n", "\x16\x03")
    ]
    return found
