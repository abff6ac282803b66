"""Arrays that do not fit into memory come back as they were, and leave nothing behind."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data.parts.overflow import SCRATCH, Overflow
from ml_sys.errors import StorageError
from tests.test_durable import largest_file

TABLE = np.arange(24, dtype=np.int32).reshape(8, 3)
STAMPS = np.arange(5, dtype=np.int64)


def test_arrays_come_back_as_they_were_whole_or_from_a_row_on(tmp_path: Path) -> None:
    with ExitStack() as stack:
        overflow = Overflow(stack, tmp_path)
        table, none, stamps = overflow.put(TABLE.T.copy().T, TABLE[:0], STAMPS)
        for stored, array in ((table, TABLE), (none, TABLE[:0]), (stamps, STAMPS)):
            found = overflow.take(stored)
            np.testing.assert_array_equal(found, array)
            assert found.dtype == array.dtype
        some = np.empty((3, 3), np.int32)
        overflow.take_into(some, table, 4)
        np.testing.assert_array_equal(some, TABLE[4:7])
        (folder,) = (one for one in tmp_path.iterdir() if one.is_dir())
        assert folder.name.startswith(SCRATCH)
    assert not list(tmp_path.iterdir())


def test_there_is_no_file_before_something_overflows(tmp_path: Path) -> None:
    with ExitStack() as stack:
        Overflow(stack, tmp_path)
        assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        overflow = Overflow(stack, tmp_path)
        with largest_file(1), pytest.raises(StorageError, match=f"{SCRATCH}.*: File too large") as caught:
            overflow.put(np.zeros(1000), np.zeros(1000))
        assert "nothing was changed there" in caught.value.hint
    assert not list(tmp_path.iterdir())
