"""Exclusive writing to the registry: its lock, and a note of the version being registered.

The note is written before a version's folder gets its name, and removed once its record is written. So the
next writer can finish the work of a killed one, and does not mistake any other folder for a version.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ml_sys.durable import clear_temporaries, make_folder, storage_errors, write_durably
from ml_sys.errors import BusyError, UsageError
from ml_sys.registry.versioning import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK, NOTE = "registry.lock", "registering.json"


@dataclass(frozen=True)
class Registering:
    """A version whose registration has begun, and the seal of its files."""

    version: str
    seal: str


@contextmanager
def locked_and_cleaned(root: Path, models: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the registry's lock, and first clean up what killed writers left behind.

    Raises
    ------
    BusyError
        If another process holds it for longer than ``wait_seconds``.
    StorageError
        If the folder cannot be written.
    """
    with storage_errors(root):
        make_folder(models)
        with locked(root, wait_seconds):
            clear_temporaries(root)
            clear_temporaries(models)
            yield


@contextmanager
def locked(root: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the registry's lock; create its folder if it is missing.

    Raises
    ------
    BusyError
        If another process holds it for longer than ``wait_seconds``.
    StorageError
        If the folder cannot be written.
    """
    with storage_errors(root):
        make_folder(root)
        lock = FileLock(root / LOCK)
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout as error:
            raise BusyError(
                f"{root}: another process has been writing the registry for {wait_seconds:g} s",
                hint="wait for it, or raise registry.lock_timeout_seconds",
            ) from error
        try:
            yield
        finally:
            with suppress(OSError):  # the lock ends with the process anyway
                lock.release()


def note_registering(root: Path, begun: Registering) -> None:
    """Write down the version about to be registered."""
    write_durably(root / NOTE, json.dumps(asdict(begun)).encode())


def registering_noted(root: Path) -> Registering | None:
    """Return the version that was about to be registered, or None where nothing says of one."""
    try:
        begun = Registering(**json.loads((root / NOTE).read_bytes()))
        parse(begun.version)
    except (FileNotFoundError, ValueError, TypeError, RecursionError, UsageError):
        return None
    return begun


def remove_note(root: Path) -> None:
    """Remove the note; if that fails, the next writer sees that it is obsolete."""
    with suppress(OSError):
        (root / NOTE).unlink()
