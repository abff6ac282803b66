"""What does not fit into memory: arrays in a file that is gone afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ml_sys.durable import storage_errors
from ml_sys.scratch import clear_scratch, scratch_folder

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from numpy.typing import NDArray

# How the names of temporary folders begin that hold usage.
SCRATCH = "mlsys-usage"


@dataclass(frozen=True)
class Stored:
    """Where an array lies."""

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class Overflow:
    """A file of arrays, made once the first is put there.

    What a killed process left is removed at once.

    Parameters
    ----------
    stack : ExitStack
        Removes it.
    folder : Path, optional
        Where its temporary folder is made; by default where the system makes them.
    """

    def __init__(self, stack: ExitStack, folder: Path | None = None) -> None:
        self._stack = stack
        self._place = folder
        self._file: IO[bytes] | None = None
        self._end = 0
        self._lock = Lock()
        clear_scratch(SCRATCH, folder)

    def put(self, *arrays: NDArray[Any]) -> list[Stored]:
        """Keep arrays, and return where each lies.

        Raises
        ------
        StorageError
            If there is no room.
        """
        with self._lock:
            file, stored = self._file or self._opened(), []
            with storage_errors(self._folder):
                file.seek(self._end)
                for array in arrays:
                    stored.append(Stored(self._end, array.dtype, array.shape))
                    left = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                    while left:
                        left = left[file.write(left) :]
                    self._end += array.nbytes
        return stored

    def take(self, stored: Stored) -> NDArray[Any]:
        """Return an array."""
        found = np.empty(stored.shape, stored.dtype)
        self.take_into(found, stored)
        return found

    def take_into(self, target: NDArray[Any], stored: Stored, start: int = 0) -> None:
        """Fill contiguous memory from what lies from a place of an array on."""
        if not target.nbytes or self._file is None:
            return
        view = target.reshape(-1).view(np.uint8).data
        row = target.nbytes // len(target)
        with self._lock, storage_errors(self._folder):
            self._file.seek(stored.offset + start * row)
            while view:
                view = view[self._file.readinto(view) :]  # type: ignore[attr-defined]  # unbuffered files have it

    def _opened(self) -> IO[bytes]:
        self._folder = self._stack.enter_context(scratch_folder(SCRATCH, self._place))
        with storage_errors(self._folder):
            self._file = self._stack.enter_context((self._folder / "usage").open("w+b", buffering=0))
        return self._file
