"""Writes that survive a crash: a temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file's content; a crash leaves either the old or the new."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def publish_folder(staging: Path, target: Path) -> None:
    """Let a finished folder appear under its name by one rename."""
    for path in staging.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(staging)
    staging.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
