"""Features of a large holdout are read from its file as they would be from memory."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ml_sys.features.rows import Different, Rows
from ml_sys.model.files.holdout_rows import InParquet, without_prefix

FRAME = pd.DataFrame(
    {
        "a": np.array([1, np.nan, -0.0, 0.0, 5, 6, 7], np.float32),
        "b": np.array(["x", None, "y", "x", None, None, "z"], dtype=object),
    }
)


@pytest.fixture
def content() -> bytes:
    """The frame in groups of three rows, beside a column that is no feature."""
    content = io.BytesIO()
    FRAME.add_prefix("feature:").assign(id="i").to_parquet(content, row_group_size=3)
    return content.getvalue()


@pytest.fixture
def stored(content: bytes) -> InParquet:
    return InParquet(pq.ParquetFile(io.BytesIO(content)), "feature:")


@pytest.fixture
def whole(content: bytes) -> pd.DataFrame:
    """What is read at once."""
    return without_prefix(pd.read_parquet(io.BytesIO(content)), "feature:")


def test_columns_and_rows_are_those_of_the_whole(stored: InParquet, whole: pd.DataFrame) -> None:
    assert (len(stored), stored.is_stored, stored.names()) == (7, True, ["a", "b"])
    assert stored.beside().to_dict("list") == {"id": ["i"] * 7}
    assert stored.rows().which.tolist() == list(range(7))
    for name in FRAME:
        read, held = pd.Series(stored.column(name)), pd.Series(whole[name].to_numpy())
        pd.testing.assert_series_equal(read, held, check_exact=True)
    for rows in ([6, 0, 0], [4, 3], [], list(range(7))):
        taken = stored.taken(np.array(rows, dtype=np.int32))
        pd.testing.assert_frame_equal(taken, whole.take(rows).reset_index(drop=True), check_exact=True)


def test_digests_and_blocks_are_those_of_rows_in_memory(stored: InParquet, whole: pd.DataFrame) -> None:
    plain = Different(whole)
    np.testing.assert_array_equal(stored.digests(), plain.digests())
    np.testing.assert_array_equal(stored.exact_digests(), plain.exact_digests())
    (block,) = Rows(stored, np.array([5, 1, 5], dtype=np.int32)).blocks()
    pd.testing.assert_frame_equal(block.frame(), whole.take([5, 1, 5]).reset_index(drop=True))
