"""Temporary folders: gone afterwards, and removed by the next command where a process was killed."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.durable import beginning_beside, clear_folder, lock_file, open_beside, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tries to remove a folder into which a process that is ending may still write, and seconds between two.
_TRIES, _SOON = 20, 0.05


@contextmanager
def scratch_folder(name: str, place: Path | None = None) -> Iterator[Path]:
    """Make a folder that is gone afterwards; what killed processes left of its name goes as well.

    Parameters
    ----------
    name : str
        How its name begins.
    place : Path, optional
        Where it is made; by default where the system makes temporary files.
    """
    target = (place or Path(tempfile.gettempdir())) / name
    clear_scratch(name, place)
    with storage_errors(target.parent):
        sink, lock = open_beside(target)
    with sink:
        folder = _guarded_by(lock, target)
        try:
            with storage_errors(target.parent):
                folder.mkdir(mode=0o700)
            yield folder
        finally:
            gone = _is_cleared(folder, _TRIES)
            if gone and sys.platform != "win32":
                lock.unlink(missing_ok=True)
    if gone:
        lock.unlink(missing_ok=True)


def clear_scratch(name: str, place: Path | None = None) -> None:
    """Remove scratch folders of a name whose processes are gone; those of living ones are locked."""
    target = (place or Path(tempfile.gettempdir())) / name
    for lock in target.parent.glob(f"{beginning_beside(target)}*"):
        with suppress(OSError):
            with lock.open("rb") as file:
                lock_file(file, wait=False)
                if sys.platform != "win32" and _is_cleared(_guarded_by(lock, target)):
                    lock.unlink()
            if sys.platform == "win32":
                lock.unlink()  # fails while it is open
                clear_folder(_guarded_by(lock, target))


def _is_cleared(folder: Path, tries: int = 1) -> bool:
    """Remove a folder, and return whether it is gone; where it is not, its lock has the next command try."""
    for left in reversed(range(tries)):
        clear_folder(folder)
        with suppress(OSError):  # a place that does not answer may hold it still
            if not folder.exists():
                return True
        if left:
            time.sleep(_SOON)
    return False


def _guarded_by(lock: Path, target: Path) -> Path:
    """Return the scratch folder of a target that a lock stands for."""
    return target.with_name(f"{target.name}-{lock.name.removeprefix(beginning_beside(target))}")
