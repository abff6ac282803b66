"""A process that is told to end, by whichever signal, goes on answering for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from ml_sys.serve.http.ending import Ending
from ml_sys.serve.workers import run_workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no hang-ups")


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """What a server would be told by signals, whose handlers are restored."""
    told: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {one: signal.signal(one, lambda number, _: told.append(number)) for one in signals}
    yield told
    for one, handler in before.items():
        signal.signal(one, handler)


async def answers_on(ending: Ending, told: list[int], number: int) -> None:
    """Send a signal, and see that the server is told only after what was announced."""
    ending.follow_sigterm(0.0)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(60):
        while not ending.is_begun:
            await asyncio.sleep(0)
        assert told == []
        while not told:
            await asyncio.sleep(0.01)
    assert ending.is_near
    assert told == [signal.SIGTERM]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_hang_up_ends_as_gently_as_being_told_to(ended: list[int], number: str) -> None:
    asyncio.run(answers_on(Ending(), ended, signal.Signals[number]))


def test_who_is_to_outlive_a_hang_up_does(ended: list[int]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it

    async def follow() -> None:
        Ending().follow_sigterm(0.0)

    asyncio.run(follow())
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_workers_end_with_who_watches_over_them_when_that_hangs_up(ended: list[int]) -> None:
    nobody = signal.getsignal(signal.SIGHUP)

    def hang_up(*_: object) -> None:
        if signal.getsignal(signal.SIGHUP) is not nobody:  # who watches listens by now
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGALRM, hang_up)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        run_workers(print, None, [], 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ended == []  # it was heard by who watches
