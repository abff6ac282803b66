"""Show the start of a server, and a new key."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ml_sys import console

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.jobs.serve import ApiKey, Start


def started(start: Start, artifacts_dir: Path | None) -> None:
    """Show where a server listens and what it lacks; shown commands include the given artifacts folder."""
    host = f"[{start.host}]" if ":" in start.host else start.host
    where = f"http://{host}:{start.port}, Ctrl-C to stop"
    console.note(f"serving version {start.version} on {where}" if start.version else f"serving on {where}")
    if start.unlogged:
        console.warn(
            f"predictions are not stored, because the log cannot be written: {start.unlogged} "
            "(let this user write there, or set serve.prediction_log_path; then start again)"
        )
    if start.version is None:
        console.warn("no version is in production: /ready and every prediction get 503 until one is")
        named = "" if artifacts_dir is None else f" --artifacts {shlex.quote(str(artifacts_dir))}"
        steps = ", then ".join(step + named for step in start.missing)
        console.note(f"in another terminal: {steps}; this server will pick it up at once")


def key(made: ApiKey) -> None:
    """Show a new key, and what to do with it."""
    console.line(made.key)
    console.note(
        f"Give the key to its user; it is not stored. Add its digest to serve.api_keys:\n  {made.digest}"
    )
