"""Rows come back by their buckets, in the order in which they came, from memory or from a file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data.parts.buckets import BUCKETS
from ml_sys.data.parts.overflow import Overflow
from ml_sys.data.parts.spill import Spill
from ml_sys.data.usage import UsageMeasures, UsageRows
from ml_sys.form import Form, Measure, Noun, UsageTable

CLICKS = Measure("clicks", "actions", "page", Noun("click", "clicks"))
FORM = Form((UsageTable("log", "periods", "day", ("clicks",)),), (CLICKS,))
BUCKET = np.array([5, 1000, 7, 5], np.uint16)  # of each company


def batch(start: int, *companies: int) -> UsageRows:
    company = np.array(companies, np.int32)
    at = np.arange(start, start + len(company))
    return UsageRows(company, at * 10, at.astype(np.int32)[:, None], at)


def lines(rows: UsageRows) -> list[tuple[int, int, int, int]]:
    columns = (rows.company, rows.stamp, rows.measures[:, 0], rows.lines)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("most", [0, 4, 100])
def test_rows_come_back_by_bucket_in_their_order_however_many_fit_into_memory(
    tmp_path: Path, most: int
) -> None:
    with ExitStack() as stack:
        spill = Spill(Overflow(stack, tmp_path), UsageMeasures.of(FORM, FORM.tables[0]), most)
        for rows in (batch(2, 1, 0, 3), batch(5), batch(5, 2, 3, 0, 1)):
            spill.add(spill.dealt(rows, BUCKET[rows.company]))
        assert (spill.n_rows, spill.has_overflown) == (7, most < 7)
        low, high = spill.take(0, 7), spill.take(7, BUCKETS)
        assert lines(low) == [(0, 30, 3, 3), (3, 40, 4, 4), (3, 60, 6, 6), (0, 70, 7, 7)]
        assert sorted(lines(high)) == [(1, 20, 2, 2), (1, 80, 8, 8), (2, 50, 5, 5)]
        spill.move(np.array([3, 2, 1, 0], np.int32))
        assert spill.take(0, 7).company.tolist() == [3, 0, 0, 3]
        assert lines(spill.take(100, 200)) == []
        assert len(spill.take(0, BUCKETS).lines) == 7


def test_batches_that_lie_in_a_file_in_other_bytes_come_back_as_they_were(tmp_path: Path) -> None:
    starts = (2, 70_000, 100_000, 3_000_000_000)
    with ExitStack() as stack:
        spill = Spill(Overflow(stack, tmp_path), UsageMeasures.of(FORM, FORM.tables[0]), 0)
        for start in starts:
            at = np.arange(start, start + 2)
            values = at.astype(np.int64 if start > 1_000_000_000 else np.int32)[:, None]
            rows = UsageRows(np.zeros(2, np.int32), at * 10, values, at)
            spill.add(spill.dealt(rows, BUCKET[rows.company]))
        found = lines(spill.take(0, BUCKETS))
    assert found == [(0, 10 * at, at, at) for start in starts for at in (start, start + 1)]
