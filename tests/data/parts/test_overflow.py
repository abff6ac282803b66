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
            overflow.put(np.arange(3000), np.arange(3000))
        assert "nothing was changed there" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [
        ([5, 120, 0], np.int8),
        ([-3, 100], np.int8),
        ([1000, 70], np.int16),
        ([5_000_000_000, 5_000_000_100], np.int8),
        ([86_400_000_000 * day + 5 for day in (20_000, 20_900)], np.int16),
        ([0, 2**62 + 1], np.int64),
        ([-(2**62), 2**62 + 1], np.int64),
        ([-(2**63), 2**63 - 1 - 2**63 % 86_400_000_000], np.int64),
        ([], np.int64),
    ],
)
def test_integers_lie_in_as_few_bytes_as_hold_them(
    tmp_path: Path, numbers: list[int], kept: type[np.generic]
) -> None:
    array = np.array(numbers, np.int64)
    with ExitStack() as stack:
        overflow = Overflow(stack, tmp_path)
        (stored,) = overflow.put(array)
        assert stored.kept == kept
        found = overflow.take(stored)
    assert (found.tolist(), found.dtype) == (numbers, np.int64)


def test_small_integers_as_far_apart_as_can_be_are_kept_as_they_are(tmp_path: Path) -> None:
    array = np.array([-128, 127], np.int8)
    with ExitStack() as stack:
        overflow = Overflow(stack, tmp_path)
        (stored,) = overflow.put(array)
        assert (stored.kept, overflow.take(stored).tolist()) == (np.int8, [-128, 127])
