"""Keep and read the last monitoring: its alarms and the effect of each check.

Each day has a file, and the last one is copied as a whole to ``latest.json``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

from ml_sys.durable import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.outcomes.monitoring import Monitoring

FOLDER, LATEST = "monitoring", "latest.json"
# What whoever asks is told of it.
_TOLD = {"day", "version", "checks"}


def keep(found: Monitoring, artifacts_dir: Path) -> Path:
    """Write a monitoring to the file of its day, in place of an earlier one of that day.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    folder = artifacts_dir / FOLDER
    plain = {name: value for name, value in asdict(found).items() if name != "page"}
    content = (json.dumps(_finite(plain), indent=2) + "\n").encode()
    path = folder / f"{found.day}.json"
    for place in (path, folder / LATEST):
        with replacing(place) as sink:
            sink.write(content)
    return path


def last(artifacts_dir: Path) -> dict[str, Any] | None:
    """Return the last monitoring as plain data; None if none can be read."""
    try:
        plain = json.loads((artifacts_dir / FOLDER / LATEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return plain if isinstance(plain, dict) and plain.keys() >= _TOLD else None


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value
