"""Where workers elsewhere find what they read: files at an address, each under the SHA-256 of what is in it.

Invariant: nothing of a file is given out before its digest was compared, wherever it was read.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.durable import TEMPORARY_PREFIX, clear_folder
from ml_sys.errors import EngineError, MlsysError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distributed import Worker
    from pyarrow.fs import FileSystem

# What a worker keeps at hand lies below its own folder, which Dask removes with the worker.
_KEPT = "mlsys-kept"
_MEGABYTE = 1_000_000
_HINT = "check engine.storage, and the credentials and the endpoint in the environment, here and on workers"


@dataclass(frozen=True)
class Storage:
    """Files at an address, which are written once and never changed.

    Attributes
    ----------
    address : str
        As ``s3://bucket/folder``; ``gs://``, ``file://`` and, with fsspec, ``fsspec+PROTOCOL://`` are others.
        Credentials and the endpoint are the environment's, as in ``AWS_ACCESS_KEY_ID``.
    cache_mb : int
        Megabytes that each worker keeps at hand on its own disk, while a command works.
    """

    address: str
    cache_mb: int = 0

    def put(self, folder: str, sizes: Mapping[str, int], content: Callable[[str], bytes]) -> list[str]:
        """Write those files of a folder that are not there, and return their digests.

        Parameters
        ----------
        sizes : mapping of str to int
            Bytes of each file, by its digest. One that is there in another size was half-written.
        content : callable
            Returns what is in the file of a digest; called for one file at a time.

        Raises
        ------
        EngineError
            If the address makes no sense, does not answer, or refuses to be written to.
        """
        from pyarrow.fs import FileSelector

        with self._answering(folder):
            files, root = _opened(self.address)
            place = f"{root}/{folder}"
            listed = files.get_file_info(FileSelector(place, allow_not_found=True))
            there = {one.base_name: one.size for one in listed}
            missing = [name for name, size in sizes.items() if there.get(name) != size]
            if missing:
                files.create_dir(place)
            for name in missing:
                whole = content(name)  # before anything is opened: what fails here leaves nothing there
                with files.open_output_stream(f"{place}/{name}") as sink:
                    sink.write(whole)
        return missing

    def read(self, folder: str, name: str) -> bytes:
        """Return what is in a file, from the disk of this worker where it is kept there.

        Parameters
        ----------
        name : str
            Its digest.

        Raises
        ------
        EngineError
            If it cannot be read, or is not what was put there.
        """
        kept = _kept_folder() if self.cache_mb else None
        if kept is not None:
            with suppress(OSError):
                path = kept / name
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() == name:
                    path.touch()  # what is read is kept longest
                    return content
        with self._answering(f"{folder}/{name}"):
            files, root = _opened(self.address)
            with files.open_input_file(f"{root}/{folder}/{name}") as source:
                content = source.read()
        if hashlib.sha256(content).hexdigest() != name:
            raise EngineError(
                f"{self.address}: {folder}/{name} is not what was put there, so it was changed",
                hint="remove it there and run the command again; find out who else may write there",
            )
        if kept is not None:
            _keep(kept / name, content, self.cache_mb * _MEGABYTE)
        return content

    def folders(self) -> list[str]:
        """Return the names of the folders that there are.

        Raises
        ------
        EngineError
            If the storage does not answer.
        """
        from pyarrow.fs import FileSelector, FileType

        with self._answering("its folders"):
            files, root = _opened(self.address)
            listed = files.get_file_info(FileSelector(root, allow_not_found=True))
            return sorted(one.base_name for one in listed if one.type == FileType.Directory)

    @contextmanager
    def _answering(self, what: str) -> Iterator[None]:
        """Say in one line what the storage refuses."""
        try:
            yield
        except MlsysError:
            raise
        except (OSError, ValueError, ImportError) as error:  # an address that makes no sense is a ValueError
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EngineError(f"engine.storage: {self.address}: {what}: {said}", hint=_HINT) from error


@cache
def _opened(address: str) -> tuple[FileSystem, str]:
    """Return the file system of an address, and the place in it; to ask where a bucket is takes a while."""
    from pyarrow.fs import FileSystem

    files, root = FileSystem.from_uri(address)
    return files, root.rstrip("/")


def clear_kept(dask_worker: Worker | None = None) -> None:
    """Remove what a worker keeps of any storage; Dask names it, where it has every worker do so."""
    if dask_worker is not None:
        clear_folder(Path(dask_worker.local_directory) / _KEPT)


def _kept_folder() -> Path | None:
    """Return where this worker keeps files; None in a process that is no worker of Dask's."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return Path(get_worker().local_directory) / _KEPT
    except ValueError:
        return None


def _keep(path: Path, content: bytes, most: int) -> None:
    """Keep a file in place of those that were not read for longest; where the disk is full, keep none."""
    try:
        path.parent.mkdir(exist_ok=True)
        found = [(one.stat(), one) for one in path.parent.iterdir()]
        room = most - sum(known.st_size for known, _ in found)
        for known, one in sorted(found, key=lambda pair: pair[0].st_mtime_ns):
            if len(content) <= room or len(content) > most:
                break
            one.unlink(missing_ok=True)
            room += known.st_size
        if len(content) > room:
            return
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError:
        return
