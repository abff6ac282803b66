"""Versions small enough to make by the hundred: a file, and a manifest with its digest."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from ml_sys.model.files.artifact import write_artifact
from ml_sys.model.files.signing import NO_KEYS, Keys, make_keys, read_keys
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


ABC = ("1.0.0", "1.1.0", "2.0.0")


def statuses(registry):
    return {version: entry.status for version, entry in registry.read().versions.items()}


def state(registry):
    """What the registry says, but for the digest that holds the time of its last record."""
    return replace(registry.read(), head="")


def put(registry, version, keys=NO_KEYS):
    """Let the folder of a version appear that nobody registers."""
    folder = registry.folder(version)
    folder.mkdir()
    return fill(folder, version, keys)


def tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def signed_by(folder: Path) -> Keys:
    make_keys(folder)
    return read_keys(str(folder), ())
