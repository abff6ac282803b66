"""A loopback HTTP client that can saturate a Python server from one process.

Run ``python -m tests.bench.load --url http://127.0.0.1:8000 --requests FILE.json``; the file holds a list of
``{"method", "path", "headers", "body"}`` that is gone through again and again, and the outcome is JSON on
stdout. :func:`start` does the same from Python: the client is a process of its own and shares no lock with
whoever asked.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.generator import Generator, Outcome


class Load:
    """A load that a process of its own puts on a server, until :meth:`outcome` is asked for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> None:
        """End it before its time, once it has begun."""
        self._process.terminate()

    def outcome(self) -> Outcome:
        """Wait for the end and return what came of it."""
        text, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the load generator stopped with exit code {self._process.returncode}")
        plain = json.loads(text)
        for name in ("statuses", "latency_ms"):
            plain[name] = {int(status): value for status, value in plain[name].items()}
        return Outcome(**plain)


def start(
    url: str,
    requests: list[dict[str, Any]],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
    count: int | None = None,
    record: Path | None = None,
) -> Load:
    """Put load on a server from another process.

    Parameters
    ----------
    url : str
        Of the server, without a path.
    requests : list of dict
        ``method`` (default POST), ``path``, ``headers`` and ``body``; text is sent as it is.
    connections : int
    seconds : float
    rate : float, optional
        Requests per second, for an open loop.
    count : int, optional
        Stop after so many requests.
    record : Path, optional
        Write a JSON line for each request: its index, ``status`` or ``failure``, ``head``, ``body``, and when
        it was ``due`` and ``done`` on the clock of ``time.monotonic``.
    """
    command = [sys.executable, "-m", "tests.bench.load", "--url", url, "--requests", "-"]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    for option, value in (("--rate", rate), ("--count", count), ("--record", record)):
        command += [] if value is None else [option, str(value)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdin is not None
    json.dump(requests, process.stdin)
    process.stdin.close()
    process.stdin = None  # communicate() would flush it
    return Load(process)


def _plain(record: tuple[int, str, float, float, bytes]) -> dict[str, Any]:
    index, result, due, done, data = record
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    said = {"status": int(result), "head": head, "body": body} if data else {"failure": result}
    return {"request": index, "due": due, "done": done, **said}


def main() -> None:
    """Put load on a server and print the outcome."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", required=True, type=argparse.FileType(), help="JSON; - reads stdin")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, help="requests per second, for an open loop")
    parser.add_argument("--count", type=int, help="stop after so many requests")
    parser.add_argument("--record", type=Path, help="write a JSON line for each request")
    options = parser.parse_args()
    requests = json.load(options.requests)
    gc.disable()  # its pauses would be taken for the server's, and nothing here is cyclic

    async def run() -> tuple[Generator, Outcome]:
        generator = Generator(options.url, requests, options.rate, options.count)
        generator.records = [] if options.record else None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, generator.stop)
        return generator, await generator.run(options.connections, options.seconds)

    generator, outcome = uvloop.run(run())
    if options.record:
        with options.record.open("w") as file:
            file.writelines(json.dumps(_plain(record)) + "\n" for record in generator.records or [])
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
