"""Rows that do not fit into memory are sorted in a file that is the one of rows in memory to the byte."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_sys.data.parts.overflow import SCRATCH
from ml_sys.data.parts.sorted_rows import ManyRows, room_errors
from ml_sys.errors import StorageError

ORDER = ("text", "line")


def rows(n: int) -> pa.Table:
    rng = np.random.default_rng(1)
    texts = ["", "B", "b", "a10", "a9", "é", "\uffff", "\U0001f600", "quoted \"'"]
    said = [texts[at] for at in rng.integers(0, len(texts), n)]
    return pa.table(
        {
            "text": pa.array(said, pa.string()),
            "line": rng.permutation(n),
            "more": pa.array(map(str, range(n)), pa.string()),
        }
    )


@pytest.mark.parametrize("n", [1, 20, 21, 199])
def test_a_sorted_file_is_that_of_rows_in_memory(tmp_path: Path, n: int) -> None:
    table = rows(n)
    expected = table.sort_by([(name, "ascending") for name in ORDER])
    pq.write_table(expected, tmp_path / "expected.parquet", row_group_size=20)
    with ExitStack() as stack:
        many = ManyRows(table.schema, stack)
        for start in range(0, n, 7):
            many.add(table[start : start + 7])
        found = many.in_order(ORDER, row_group=20)
        assert found.path.read_bytes() == (tmp_path / "expected.parquet").read_bytes()
        assert found.num_rows == n
        assert [one for piece in found.texts("text") for one in piece.to_pylist()] == expected[
            "text"
        ].to_pylist()
    assert not found.path.exists()


def test_nothing_is_left_of_rows_that_nobody_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ExitStack() as stack:
        ManyRows(rows(0).schema, stack).add(rows(9))
        assert any(one.name.startswith(SCRATCH) for one in tmp_path.iterdir())
    assert not any(tmp_path.iterdir())


def raised(error: Exception) -> Any:
    with room_errors(Path("/scratch"), "rows"):
        raise error


def test_a_full_disk_is_one_line_that_names_the_folder_and_other_errors_stay_what_they_are() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(
        StorageError, match=r"/scratch: not enough room for the rows: .*No space left"
    ) as found:
        raised(full)
    assert "TMPDIR" in str(found.value.hint)
    with pytest.raises(PermissionError):
        raised(PermissionError(errno.EACCES, "no"))
