"""Versions small enough to make by the hundred: a file, and a manifest with its digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ml_sys.registry.store import Entry, Index, Registry


def small_entry(version: str) -> Entry:
    return Entry(
        version=version,
        status="candidate",
        created_at="2026-01-01T00:00:00+00:00",
        changes="first version",
        snapshot="0" * 16,
        data_through="2020-05-11",
        metrics={"average_precision": 0.1},
    )


def fill(folder: Path, version: str) -> Entry:
    """Write the files of a version and return its entry."""
    content = f"weights of {version}".encode()
    (folder / "weights").write_bytes(content)
    manifest = {
        "entry": vars(small_entry(version)),
        "files": {"weights": hashlib.sha256(content).hexdigest()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return small_entry(version)


def registry_with(root: Path, *versions: str) -> Registry:
    """Return a registry that holds these versions, none in production."""
    registry = Registry(root)
    for version in versions:

        def build(folder: Path, _: Index, version: str = version) -> Entry:
            return fill(folder, version)

        registry.add(build)
    return registry
