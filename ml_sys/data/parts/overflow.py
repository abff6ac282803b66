"""Keep arrays that do not fit into memory in a temporary file."""

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

# Prefix of the temporary folders for usage and quarantined rows, which every ingest clears of what was left.
SCRATCH = "mlsys-usage"


# Units that microseconds are often multiples of: days, hours, seconds.
_UNITS = (86_400_000_000, 3_600_000_000, 1_000_000)
_NARROW = (np.int8, np.int16, np.int32)


@dataclass(frozen=True)
class Narrow:
    """Integers in as few bytes as possible: each is ``base`` + ``unit`` × the kept number.

    Attributes
    ----------
    kept : ndarray
    dtype : numpy.dtype
        The original type.
    """

    kept: NDArray[Any]
    base: int
    unit: int
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, array: NDArray[Any]) -> Narrow:
        """Find the narrowest form of integers."""
        if not array.size:
            return cls(array, 0, 1, array.dtype)
        low, high = int(array.min()), int(array.max())
        if high - low > np.iinfo(array.dtype).max:
            return cls(array, 0, 1, array.dtype)
        base = 0 if low >= 0 and cls._holds(high) == cls._holds(high - low) else low
        unit, units = 1, None
        if cls._holds(high - base) is None:
            base = low
            unit, units = cls._in_units(array - low)
        kind = cls._holds((high - base) // unit)
        if kind is None or np.dtype(kind) == array.dtype:
            return cls(array, 0, 1, array.dtype)
        if units is None:
            units = array if not base else array - base
        return cls(units.astype(kind), base, unit, array.dtype)

    @staticmethod
    def _in_units(numbers: NDArray[Any]) -> tuple[int, NDArray[Any]]:
        """Return the largest unit that all numbers are multiples of, and how many of it each is."""
        for unit in _UNITS:
            units = numbers // unit  # dividing and multiplying takes a third of the time of a remainder
            if np.array_equal(units * unit, numbers):
                return unit, units
        return 1, numbers

    def take(self, at: NDArray[np.integer[Any]]) -> Narrow:
        """Return the integers at some positions."""
        return Narrow(self.kept.take(at, axis=0), self.base, self.unit, self.dtype)

    @staticmethod
    def _holds(largest: int) -> type[np.signedinteger[Any]] | None:
        return next((one for one in _NARROW if largest <= np.iinfo(one).max), None)


@dataclass(frozen=True)
class Stored:
    """The place and the form of a stored array; see `Narrow`."""

    offset: int
    kept: np.dtype[Any]
    shape: tuple[int, ...]
    base: int
    unit: int
    dtype: np.dtype[Any]

    @property
    def held(self) -> np.dtype[Any]:
        """The narrowest type that holds the original values."""
        return self.kept if (self.base, self.unit) == (0, 1) else self.dtype


class Overflow:
    """A file of arrays, created with the first one.

    Files left behind by killed processes are removed at once.

    Parameters
    ----------
    stack : ExitStack
        Removes the file when it closes.
    folder : Path, optional
        Where to create the temporary folder; by default the system's place.
    """

    def __init__(self, stack: ExitStack, folder: Path | None = None) -> None:
        self._stack = stack
        self._place = folder
        self._file: IO[bytes] | None = None
        self._end = 0
        self._lock = Lock()
        clear_scratch(SCRATCH, folder)

    def put(self, *arrays: NDArray[Any] | Narrow) -> list[Stored]:
        """Store arrays of integers, and return the place of each.

        Raises
        ------
        StorageError
            If there is not enough room.
        """
        narrow = [one if isinstance(one, Narrow) else Narrow.of(one) for one in arrays]
        with self._lock:
            file, stored = self._file or self._opened(), []
            with storage_errors(self._folder):
                file.seek(self._end)
                for one in narrow:
                    kept = np.ascontiguousarray(one.kept)
                    stored.append(Stored(self._end, kept.dtype, kept.shape, one.base, one.unit, one.dtype))
                    left = kept.reshape(-1).view(np.uint8).data
                    while left:
                        left = left[file.write(left) :]
                    self._end += kept.nbytes
        return stored

    def take(self, stored: Stored) -> NDArray[Any]:
        """Return an array."""
        found = np.empty(stored.shape, stored.dtype)
        self.take_into(found, stored)
        return found

    def take_into(self, target: NDArray[Any], stored: Stored, start: int = 0) -> None:
        """Fill contiguous memory from an array, starting at a position."""
        if not target.nbytes or self._file is None:
            return
        is_same = stored.kept == target.dtype
        kept = target if is_same else np.empty(target.shape, stored.kept)
        view = kept.reshape(-1).view(np.uint8).data
        row = kept.nbytes // len(kept)
        with self._lock, storage_errors(self._folder):
            self._file.seek(stored.offset + start * row)
            while view:
                view = view[self._file.readinto(view) :]  # type: ignore[attr-defined]  # unbuffered files have it
        if not is_same:
            target[:] = kept
            if stored.unit != 1:
                target *= stored.unit
            if stored.base:
                target += stored.base

    def _opened(self) -> IO[bytes]:
        self._folder = self._stack.enter_context(scratch_folder(SCRATCH, self._place))
        with storage_errors(self._folder):
            self._file = self._stack.enter_context((self._folder / "usage").open("w+b", buffering=0))
        return self._file
