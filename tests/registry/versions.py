"""Versions small enough to make by the hundred: a file, and a manifest with its digest."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from ml_sys.model.files.artifact import write_artifact
from ml_sys.model.files.signing import NO_KEYS, Keys
from ml_sys.registry.audit import Change
from ml_sys.registry.index import Entry, Index
from ml_sys.registry.store import Registry


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


def fill(folder: Path, version: str, keys: Keys = NO_KEYS) -> Entry:
    """Write the files of a version and return its entry."""
    entry = small_entry(version)
    facts = {"entry": {name: value for name, value in asdict(entry).items() if name != "seal"}}
    return replace(
        entry, seal=write_artifact(folder, {"weights": f"weights of {version}".encode()}, facts, keys)
    )


def add(registry: Registry, version: str) -> Entry:
    def build(folder: Path, _: Index) -> Entry:
        return fill(folder, version, registry.keys)

    return registry.add(build)


def registry_with(root: Path, *versions: str) -> Registry:
    """Return a registry that holds these versions, none in production."""
    registry = Registry(root, actor="tester")
    for version in versions:
        add(registry, version)
    return registry


def promote(registry: Registry, version: str, reason: str = "") -> str | None:
    """Put a version into production, whatever is there, and return what was."""
    before = registry.read().production
    registry.open(version)
    registry.promote(version, before, Change(reason))
    return before


def rollback(registry: Registry, to: str | None = None) -> tuple[str, str]:
    return registry.rollback(Change(), registry.open, to)
