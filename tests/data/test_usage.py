"""One usage row of each company and stamp: which of several is kept, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.checking.validate import Checked
from ml_sys.data.company_index import CompanyIndex
from ml_sys.data.quarantine import Quarantine
from ml_sys.data.schema import USAGE
from ml_sys.data.usage import (
    CONFLICT,
    DUPLICATE,
    UsageMeasures,
    UsageRows,
    join,
    of_companies,
    one_of_each,
    one_per_stamp,
    set_aside,
    united,
    values_dtype,
)
from ml_sys.form import Form, Measure, Noun, UsageTable
from ml_sys.settings import SchemaSettings
from tests.data.tables import MEASURES

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
            (7, 0, (1,)),
        )
    )
    assert kept.tolist() == [1, 3, 5, 7, 6]
    assert dict(zip(dropped.tolist(), repeats.tolist(), strict=True)) == {0: False, 2: True, 4: False}


def test_the_busiest_row_of_a_stamp_is_that_of_the_largest_total() -> None:
    kept, dropped, _ = one_of_each(rows_of((0, 0, (3, 3)), (0, 0, (0, 9)), (0, 0, (4, 1))))
    assert (kept.tolist(), dropped.tolist()) == ([1], [0, 2])


def test_of_rows_as_busy_the_one_with_more_of_an_earlier_measure_is_kept_and_of_equal_ones_the_first() -> (
    None
):
    kept, dropped, repeats = one_of_each(
        rows_of((0, 0, (1, 4)), (0, 0, (2, 3)), (0, 0, (1, 4)), (0, 0, (2, 3)), (0, 0, (0, 5)))
    )
    assert kept.tolist() == [1]
    assert dropped.tolist() == [3, 0, 2, 4]
    assert repeats.tolist() == [True, False, True, False]


@pytest.mark.parametrize(("largest", "dtype"), [(127, np.int8), (128, np.int16), (2**15, np.int32)])
def test_counts_of_a_batch_lie_in_the_narrowest_type_that_holds_them(largest: int, dtype: type) -> None:
    columns = {name: np.array([largest if name == MEASURES[-1] else 1], np.int32) for name in MEASURES}
    columns |= {"id": pa.array(["a"]), "at": np.zeros(1, np.int64)}
    checked = Checked(columns, np.array([2]), [], [], {})
    index = CompanyIndex(["a"], frozenset())
    rows, strangers = of_companies(checked, index, UsageMeasures.of(FORM, FORM.tables[0]))
    assert (rows.measures.dtype, strangers) == (dtype, [])
    assert rows.measures.tolist() == [[1] * (len(MEASURES) - 1) + [largest]]


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


# Measures with digits behind the point, and of several tables

HOURS = Measure("hours", "amount", "hours", Noun("hour", "hours"), digits=2)
CLICKS = Measure("clicks", "actions", "page", Noun("click", "clicks"))
PEOPLE = Measure("people", "users", "page", Noun("person", "people"))


@pytest.mark.parametrize(
    ("measures", "dtype"),
    [
        ((CLICKS, PEOPLE), np.int32),
        ((replace(HOURS, digits=0),), np.int64),
        ((CLICKS, replace(PEOPLE, digits=1)), np.int64),
        ((), np.int32),
    ],
)
def test_amounts_and_fractions_are_counted_in_64_bits(
    measures: tuple[Measure, ...], dtype: type[np.generic]
) -> None:
    assert values_dtype(Form(measures=measures)) == dtype


def test_a_table_gives_those_of_the_measures_that_it_has_in_the_order_of_the_form() -> None:
    form = Form(measures=(CLICKS, HOURS, PEOPLE))
    found = UsageMeasures.of(form, UsageTable("log", "periods", "day", ("people", "hours")))
    assert (found.names, found.places, found.digits) == (("hours", "people"), (1, 2), (2, 0))
    counts = UsageMeasures.of(form, UsageTable("log", "periods", "day", ("people", "clicks")))
    assert (counts.places, counts.digits, counts.dtype) == ((0, 2), (), np.int64)


def test_a_row_that_is_dropped_is_told_with_its_digits_behind_the_point() -> None:
    quarantine = Quarantine()
    one = np.zeros(2, dtype=np.int32)
    rows = UsageRows(one, one.astype(np.int64), np.array([[250, 1], [5, 1]]), np.array([2, 3]), (2, 0))
    one_per_stamp(rows, CompanyIndex(["a"], frozenset()), (USAGE, "u.csv"), quarantine)
    assert quarantine.to_table()["raw"].to_pylist() == ["a,1970-01-01 00:00:00.000000,0.05,1"]


def test_tables_lie_side_by_side_and_what_one_does_not_say_is_zero() -> None:
    form = Form(measures=(CLICKS, HOURS, PEOPLE))
    clicks, others = (
        UsageMeasures.of(form, UsageTable("log", "periods", "day", names))
        for names in (("clicks",), ("hours", "people"))
    )
    of_clicks = UsageRows(
        np.array([0, 2], np.int32), np.array([5, 5]), np.array([[7], [70_000]]), np.array([2, 3]), ()
    )
    of_others = UsageRows(
        np.array([0, 0, 1], np.int32),
        np.array([4, 5, 5]),
        np.array([[10, 1], [20, 2], [30, 3]]),
        np.array([2, 3, 4]),
        (2, 0),
    )
    both = united([(of_clicks, clicks), (of_others, others)], form)
    told = list(zip(both.company.tolist(), both.stamp.tolist(), both.measures.tolist(), strict=True))
    assert told == [(0, 4, [0, 10, 1]), (0, 5, [7, 20, 2]), (1, 5, [0, 30, 3]), (2, 5, [70_000, 0, 0])]
    alone = united([(of_clicks, clicks)], form)
    assert alone.measures.tolist() == [[7, 0, 0], [70_000, 0, 0]]
    assert alone.digits == both.digits == (0, 2, 0)
