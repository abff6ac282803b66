from __future__ import annotations

import gc
import tempfile

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.errors import InputError, StorageError
from ml_sys.scoring.streaming import held
from ml_sys.scoring.streaming.held import BATCH_ROWS, HeldRows


def rows_of(ids: list[str], first: int = 0) -> pa.RecordBatch:
    n = len(ids)
    numbers = np.arange(first, first + n, dtype=np.float64)
    return pa.RecordBatch.from_pydict({"id": ids, "number": numbers, "text": [f"t{one}" for one in ids]})


def held_in(n_rows: int, part: int, in_memory: int = 4) -> HeldRows:
    rows = HeldRows(in_memory)
    for start in range(0, n_rows, part):
        rows.add(rows_of([f"c{at}" for at in range(start, min(start + part, n_rows))], start))
    return rows


@pytest.mark.parametrize("in_memory", [0, 1, 4])
def test_batches_are_the_same_however_rows_came_and_wherever_they_are_held(in_memory: int) -> None:
    n = 2 * BATCH_ROWS + 5
    rows = held_in(n, 50_000, in_memory)
    found = list(rows.batches())
    assert [(start, batch.num_rows) for start, batch in found] == [
        (0, BATCH_ROWS), (BATCH_ROWS, BATCH_ROWS), (2 * BATCH_ROWS, 5),
    ]  # fmt: skip
    whole = pa.Table.from_batches([batch for _, batch in found])
    np.testing.assert_array_equal(whole["number"].to_numpy(), np.arange(n))
    assert whole["id"].combine_chunks().equals(rows.ids)
    assert whole["text"][-1].as_py() == f"tc{n - 1}"
    places = np.array([n - 1, 3, BATCH_ROWS, 0, 3])
    taken = rows.take(places)
    assert taken.column("number").to_pylist() == places.tolist()
    assert taken.column("id").to_pylist() == [f"c{at}" for at in places]


def test_without_rows_there_is_no_batch_and_nothing_is_repeated() -> None:
    rows = HeldRows()
    rows.add(rows_of([]))
    assert (len(rows), len(rows.ids), rows.again().size, list(rows.batches())) == (0, 0, 0, [])
    one = held_in(1, 1)
    assert one.take(np.empty(0, dtype=np.intp)).num_rows == 0


def test_repeated_ids_are_found_and_rows_are_replaced_in_their_place() -> None:
    rows = HeldRows(0)
    rows.add(rows_of(["a", "b", "a"]))
    rows.add(rows_of(["c", "b", "d"], 3))
    assert rows.again().tolist() == [0, 1, 2, 4]
    dropped = np.array([False, True, True, False, True, False])
    kept = rows.without(dropped, rows_of(["a"], 70), np.array([0]))
    assert kept.ids.to_pylist() == ["a", "c", "d"]
    ((_, batch),) = kept.batches()
    assert batch.column("number").to_pylist() == [70, 3, 5]


def test_the_file_is_closed_with_the_rows_and_has_no_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = held_in(2, 1, 0)
    assert len(list(rows.batches())) == 1
    assert list(tmp_path.iterdir()) == []
    file = rows._file
    del rows
    gc.collect()
    assert file.closed


def test_a_folder_for_temporary_files_that_cannot_be_written_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(held.tempfile, "tempdir", str(tmp_path / "none"))
    rows = held_in(2, 1, 0)
    with pytest.raises(StorageError, match="none"):
        list(rows.batches())


def test_rows_of_every_batch_are_dropped_and_replaced_in_their_own_place() -> None:
    n = BATCH_ROWS + 3
    dropped = np.zeros(n, dtype=bool)
    dropped[[1, BATCH_ROWS + 1]] = True
    at = np.array([0, 2, BATCH_ROWS - 1, BATCH_ROWS, n - 1])
    kept = held_in(n, n, 1).without(dropped, rows_of([f"c{one}" for one in at], -5), at)
    told = dict(
        zip(kept.ids.to_pylist(), kept.take(np.arange(n - 2)).column("number").to_pylist(), strict=True)
    )
    assert [told[f"c{one}"] for one in at] == [-5, -4, -3, -2, -1]
    assert "c1" not in told
    assert f"c{BATCH_ROWS + 1}" not in told
    assert sum(told[f"c{one}"] == one for one in range(3, BATCH_ROWS - 1)) == BATCH_ROWS - 4


def test_more_ids_than_arrow_counts_are_said_in_one_line() -> None:
    size = 1 << 30
    nobody = pa.py_buffer(np.zeros(size, np.uint8))  # memory that nobody touches, so that none is taken
    long = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, size], np.int32)), nobody)
    rows = HeldRows()
    for _ in range(2):
        rows.add(pa.RecordBatch.from_pydict({"id": long}))
    with pytest.raises(InputError, match="the ids take more than 2 GB together"):
        len(rows.ids)
