"""One usage row of each company and stamp: which of several is kept, and what is said of the others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import MEASURES, USAGE
from ml_sys.data.usage import (
    CONFLICT,
    DUPLICATE,
    UsageMeasures,
    UsageRows,
    join,
    one_of_each,
    one_per_stamp,
    set_aside,
)
from ml_sys.settings import SchemaSettings

FORM = SchemaSettings().form()
HOUR = 3_600_000_000


def rows_of(*rows: tuple[int, int, tuple[int, ...]]) -> UsageRows:
    """Rows of company, stamp and leading counts, numbered from line 2 on."""
    counts = [(*row[2], *[0] * (len(MEASURES) - len(row[2]))) for row in rows]
    return UsageRows(
        np.array([row[0] for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array(counts, dtype=np.int32).reshape(-1, len(MEASURES)),
        np.arange(2, 2 + len(rows)),
    )


def test_rows_are_sorted_by_company_and_stamp() -> None:
    kept, dropped, repeats = one_of_each(
        rows_of((1, 5 * HOUR, (1,)), (0, 9 * HOUR, (1,)), (1, 2 * HOUR, (1,)), (0, 0, (1,)))
    )
    assert kept.tolist() == [3, 1, 2, 0]
    assert (dropped.size, repeats.size) == (0, 0)


@pytest.mark.parametrize("far", [0, 2**61 + 1])
def test_of_rows_of_one_stamp_the_busiest_is_kept_and_equal_ones_are_repeats(far: int) -> None:
    # A stamp far away leaves no room for company, stamp and place in one integer.
    kept, dropped, repeats = one_of_each(
        rows_of(
            (0, HOUR, (3, 3)),
            (0, HOUR, (7,)),
            (0, HOUR, (3, 3)),
            (1, HOUR, (1,)),
            (0, HOUR, (6,)),
            (5, far, (1,)),
            (7, 1, (1,)),
        )
    )
    assert kept.tolist() == [1, 3, 5, 6]
    assert dict(zip(dropped.tolist(), repeats.tolist(), strict=True)) == {0: False, 2: True, 4: False}


def test_of_rows_as_busy_the_one_with_more_of_an_earlier_measure_is_kept_and_of_equal_ones_the_first() -> (
    None
):
    kept, dropped, repeats = one_of_each(
        rows_of((0, 0, (1, 4)), (0, 0, (2, 3)), (0, 0, (1, 4)), (0, 0, (2, 3)), (0, 0, (0, 5)))
    )
    assert kept.tolist() == [1]
    assert dropped.tolist() == [3, 0, 2, 4]
    assert repeats.tolist() == [True, False, True, False]


def test_batches_are_joined_in_their_order_and_let_go() -> None:
    batches = [rows_of((2, 7, (1,)), (0, 3, (2,))), rows_of(), rows_of((1, 9, (4, 5)))]
    joined = join(batches, UsageMeasures.of(FORM, FORM.tables[0]))
    assert batches == []
    assert joined.company.tolist() == [2, 0, 1]
    assert joined.stamp.tolist() == [7, 3, 9]
    assert joined.measures[:, 0].tolist() == [1, 2, 4]
    assert joined.measures[:, 1].tolist() == [0, 0, 5]
    assert joined.lines.tolist() == [2, 3, 2]


def test_rows_that_are_dropped_stand_in_quarantine_as_they_were(tmp_path: object) -> None:
    index, quarantine = CompanyIndex(["a", "b"], frozenset()), Quarantine()
    rows = rows_of((1, 0, (9,)), (0, HOUR, (5,)), (1, 0, (9,)), (1, 0, (1,)))
    kept = one_per_stamp(rows, index, (USAGE, "usage.csv"), quarantine)
    assert kept.company.tolist() == [0, 1]
    set_aside(kept, np.array([0]), ["too late"], index, (USAGE, "usage.csv"), quarantine)
    told = {
        row["line"]: (row["table"], row["file"], row["reason"], row["raw"])
        for row in quarantine.to_table().to_pylist()
    }
    assert told == {
        3: (USAGE, "usage.csv", "too late", "a,1970-01-01 01:00:00.000000,5,0,0,0,0,0,0,0"),
        4: (USAGE, "usage.csv", DUPLICATE, "b,1970-01-01 00:00:00.000000,9,0,0,0,0,0,0,0"),
        5: (USAGE, "usage.csv", CONFLICT, "b,1970-01-01 00:00:00.000000,1,0,0,0,0,0,0,0"),
    }
    assert pa.types.is_int64(quarantine.to_table()["line"].type)


def test_what_is_set_aside_is_gone_and_the_others_stay() -> None:
    index, quarantine = CompanyIndex(["a", "b"], frozenset()), Quarantine()
    rows = rows_of((0, 0, (1,)), (0, HOUR, (2,)), (1, 0, (3,)))
    rest = set_aside(rows, np.array([1]), ["late"], index, (USAGE, "usage.csv"), quarantine)
    assert rest.lines.tolist() == [2, 4]
    assert quarantine.rejected(USAGE) == {"late": 1}
