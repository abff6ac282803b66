"""Writes that survive a crash: a temporary file, fsync, rename, fsync of the folder.

A write that fails leaves what was there before, and says in one line where it failed and why.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import IO, TYPE_CHECKING

from ml_sys.errors import MlsysError, StorageError, UnwritableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"
_HINTS = {
    errno.ENOSPC: "free some space and try again; nothing was changed there",
    errno.EDQUOT: "free some of the quota and try again; nothing was changed there",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f) and try again; nothing was changed there",
}
_UNWRITABLE = {
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EACCES: "check the permissions and the owner of the folder, or choose another place",
    errno.EPERM: "check the permissions and the owner of the folder, or choose another place",
}


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn what the file system refuses within the block into one line that names the place.

    Raises
    ------
    UnwritableError
        If this user may not write there.
    StorageError
        If anything else prevents it.
    """
    try:
        yield
    except MlsysError:
        raise
    except OSError as error:
        named = [one for one in (error.filename2, error.filename) if isinstance(one, str)]
        lasting = [one for one in named if TEMPORARY_PREFIX not in one]  # they mean nothing to users
        where, code = lasting[0] if lasting else place, error.errno or 0
        kind = UnwritableError if code in _UNWRITABLE else StorageError
        hint = (_HINTS | _UNWRITABLE).get(code, "check the disk and the folder; nothing was changed there")
        raise kind(f"{where}: {error.strerror or error}", hint=hint) from error


def temporary_name() -> str:
    """Return a name that nobody else takes, and that a clean-up knows by its beginning."""
    return f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"


def clear_temporaries(folder: Path) -> None:
    """Remove what a killed writer left half-written in a folder; only for who holds the folder's lock."""
    for left in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if left.is_dir() and not left.is_symlink():
            clear_folder(left)
        else:
            with suppress(OSError):
                left.unlink()


def clear_folder(folder: Path) -> None:
    """Remove a folder that may be missing, as far as that is possible."""
    with suppress(OSError):  # rmtree ignores every error but one of closing
        shutil.rmtree(folder, ignore_errors=True)


def write_file(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file's content; a crash leaves either the old or the new."""
    staged = stage(path, content)
    try:
        staged.replace(path)
    except BaseException:
        with suppress(OSError):
            staged.unlink()
        raise
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Replace a file whole or not at all by what the block writes; the folder above is made where missing.

    A link is followed, and a file that is replaced keeps its rights. What is no file, such as a pipe or
    ``/dev/stdout``, is written to as it is. What a killed writer of the same file left beside it is removed.

    Raises
    ------
    StorageError
        If it cannot be written; what was there before is still there.
    """
    with storage_errors(path):
        if path.exists() and not path.is_file():
            with path.open("wb") as sink:
                yield sink
            return
        target = path.resolve()
        make_folder(target.parent)
        _clear_left_of(target)
        opened, temporary = open_beside(target)
        try:
            with opened as sink:
                yield sink
                sink.flush()
                os.fsync(sink.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(target.parent)


def beginning_beside(target: Path) -> str:
    """Return how the names of temporary files for a target begin, so that its next writer knows them."""
    return TEMPORARY_PREFIX + sha256(os.fsencode(target.name)).hexdigest()[:8]


def open_beside(target: Path) -> tuple[IO[bytes], Path]:
    """Open a temporary file for a target, which nobody removes while it is open; return its path as well."""
    while True:
        temporary = target.with_name(f"{beginning_beside(target)}{secrets.token_hex(4)}")
        sink = temporary.open("xb")
        with suppress(OSError):  # not every file system has locks; nothing is removed there
            lock_file(sink, wait=True)
        if os.fstat(sink.fileno()).st_nlink or sys.platform == "win32":
            return sink, temporary
        sink.close()  # removed by another writer before it could be locked


def _clear_left_of(target: Path) -> None:
    """Remove what killed writers of a target left beside it; what is still being written is locked."""
    for left in target.parent.glob(f"{beginning_beside(target)}*"):
        with suppress(OSError):
            with left.open("rb") as file:
                lock_file(file, wait=False)
                if sys.platform != "win32":
                    left.unlink()
            left.unlink(missing_ok=True)


if sys.platform == "win32":

    def lock_file(file: IO[bytes], *, wait: bool) -> None:
        """Do nothing: what is open cannot be removed there."""
else:
    import fcntl

    def lock_file(file: IO[bytes], *, wait: bool) -> None:
        """Lock an open file until it is closed; raise OSError where another process holds it."""
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def stage(path: Path, content: bytes) -> Path:
    """Write the content that a file is to have under a temporary name beside it, and return that."""
    temporary = path.with_name(temporary_name())
    try:
        write_file(temporary, content)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def append_durably(path: Path, content: bytes, size: int) -> None:
    """Write behind the first ``size`` bytes of a file, made where it is missing.

    Whatever stands behind them is cut off. A failed write is cut off as well, so that it was never there.

    Raises
    ------
    OSError
        If it failed and nothing of it is left.
    StorageError
        If it failed and could not be cut off, so that it may be there or not.
    """
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        if is_new:
            sync_folder(path.parent)
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        except BaseException as error:
            _cut_off(path, descriptor, size, error)
            raise
    finally:
        with suppress(OSError):  # what was written and waited for is there, whatever closing says
            os.close(descriptor)


def publish_folder(staging: Path, target: Path) -> None:
    """Let a finished folder appear under its name by one rename."""
    for path in staging.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(staging)
    staging.rename(target)
    try:
        sync_folder(target.parent)
    except OSError:
        with suppress(OSError):
            target.rename(staging)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, so that a crash keeps what is written in it."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cut_off(path: Path, descriptor: int, size: int, why: BaseException) -> None:
    try:
        os.ftruncate(descriptor, size)
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror}: what was written last may stand or not, as it could not be cut off",
            hint="check the disk, then see with mlsys history what counts",
        ) from why
    with suppress(OSError):  # lest a crash bring it back
        os.fsync(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
