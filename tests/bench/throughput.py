"""Requests a second and their latency, measured by ``wrk`` where it is installed, else by our own client."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import load

_WRK = shutil.which("wrk")
CLIENT = "wrk" if _WRK else "our own client"
_SCRIPT = """
local bodies, wires, at = {%s}, {}, 0
function init()
  for i, body in ipairs(bodies) do
    wires[i] = wrk.format("POST", "%s", {["Content-Type"] = "application/json"}, body)
  end
end
function request()
  at = at %% #wires + 1
  return wires[at]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"per_second": %%f, "p50_ms": %%f, "p99_ms": %%f, "failed": %%d}\\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Speed:
    """What a server did under load in closed loop: answers per second, and milliseconds of one."""

    per_second: float
    p50_ms: float
    p99_ms: float


def measure(url: str, path: str, bodies: list[dict[str, Any]], *, connections: int, seconds: int) -> Speed:
    """Put load on a server for a while; stop the benchmark where one answer is not 200."""
    using = _with_wrk if _WRK else _with_ours
    speed, failed = using(url, path, bodies, connections, seconds)
    if failed:
        raise SystemExit(f"{url}{path}: {failed:.0f} answers were not 200, so that its speed means nothing")
    return speed


def _with_ours(
    url: str, path: str, bodies: list[dict[str, Any]], connections: int, seconds: int
) -> tuple[Speed, float]:
    requests = [{"path": path, "body": body} for body in bodies]
    outcome = load.start(url, requests, connections=connections, seconds=seconds).outcome()
    latency = outcome.latency_ms.get(200, {"p50": 0.0, "p99": 0.0})
    speed = Speed(outcome.per_second, latency["p50"], latency["p99"])
    return speed, outcome.requests - outcome.statuses.get(200, 0)


def _with_wrk(
    url: str, path: str, bodies: list[dict[str, Any]], connections: int, seconds: int
) -> tuple[Speed, float]:
    texts = ", ".join(f"[==[{json.dumps(body)}]==]" for body in bodies)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(_SCRIPT % (texts, path))
        command = [str(_WRK), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(shown.splitlines()[-1])
    return Speed(found["per_second"], found["p50_ms"], found["p99_ms"]), found["failed"]
