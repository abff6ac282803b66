"""Prospects and their usage out of a snapshot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot import Everyone, Snapshot, Tables, parts
from ml_sys.errors import NotEnoughDataError
from ml_sys.scoring.from_snapshot.free import (
    all_free,
    covered_by,
    free_companies,
    free_day,
    usage_in,
    usage_of,
    usage_of_free,
)
from tests.data import tables as csv
from tests.scoring.test_prospects import SCHEMA, SPEC, day

WEEK = 18_004  # a Monday


def known(
    closed: list[int], since: list[int], rows: list[tuple[int, int, int]], as_of: int = WEEK + 30
) -> Snapshot:
    """Companies a, b, ... and rows of company, stamp and a count of actions."""
    names = [chr(ord("a") + at) for at in range(len(closed))]
    values = np.zeros((len(rows), 8), dtype=np.int32)
    values[:, 0] = [count for _, _, count in rows]
    blank = dict.fromkeys(("alexa_rank", "employee_range", "industry"))
    return Snapshot(
        id="0" * 16,
        path=Path(),
        companies=pd.DataFrame({"id": names, "value": np.nan, **blank}),
        closed=np.array(closed, dtype=np.int32),
        usage_company=np.array([who for who, _, _ in rows], dtype=np.int32),
        usage_stamp=np.array([stamp for _, stamp, _ in rows], dtype=np.int32),
        usage_values=values,
        as_of=as_of,
        form=SCHEMA.form(),
        since=np.array(since, dtype=np.int32),
    )


def stored(snapshot: Snapshot) -> Tables:
    """The same as it is stored."""
    held = {name: value for name, value in vars(snapshot).items() if name != "path"}
    return Tables(**{**held, "companies": pa.Table.from_pandas(snapshot.companies)})


@pytest.mark.parametrize(
    ("as_of", "rows", "free"),
    [
        (100, [], ["b", "c", "d"]),
        (101, [], ["c", "d", "e"]),
        (102, [], ["d", "e", "f"]),
        (None, [(0, 94, 1), (3, 87, 1)], ["c", "d", "e"]),  # the week of day 94 ended on 101
        (None, [], ["d", "e", "f"]),  # on the day of the export
    ],
)
def test_those_are_free_that_had_not_paid_before_a_day_and_had_existed_for_one(
    as_of: int | None, rows: list[tuple[int, int, int]], free: list[str]
) -> None:
    closed = [99, 100, 101, 102, NEVER_CLOSED, NEVER_CLOSED]
    since = [NEVER_BEGAN, NEVER_BEGAN, 99, 99, 100, 101]
    whole = known(closed, since, rows, as_of=102)
    found = free_companies(stored(whole), free_day(whole, SPEC, as_of))
    assert found.frame["id"].tolist() == free
    assert found.frame["since"].tolist() == [since[ord(name) - ord("a")] for name in free]
    assert (found.read, len(found.rows)) == (len(free), len(free))


def test_nobody_who_is_free_is_said() -> None:
    with pytest.raises(NotEnoughDataError, match="contains no company that is not a customer"):
        free_day(known([99], [NEVER_BEGAN], []), SPEC, 100)


def test_usage_of_a_snapshot_goes_to_the_prospects_in_their_order() -> None:
    rows = [(0, WEEK, 1), (0, WEEK + 7, 2), (1, WEEK, 3), (2, WEEK, 4), (2, WEEK + 14, 5)]
    snapshot = known([NEVER_CLOSED] * 3, [NEVER_BEGAN] * 3, rows)
    company, stamp, values = usage_in(snapshot, pa.array(["c", "stranger", "a"]), SPEC, np.arange(3))
    assert company.tolist() == [0, 0, 2, 2]
    assert stamp.tolist() == [WEEK, WEEK + 14, WEEK, WEEK + 7]
    assert values[:, 0].tolist() == [4, 5, 1, 2]


def test_usage_of_free_companies_is_that_of_the_same_prospects_by_name() -> None:
    rows = [(0, WEEK, 1), (1, WEEK, 2), (1, WEEK + 7, 3), (3, WEEK, 4), (4, WEEK + 7, 5)]
    closed = [NEVER_CLOSED, NEVER_CLOSED, WEEK - 7, NEVER_CLOSED, WEEK - 1]
    snapshot = known(closed, [NEVER_BEGAN] * 5, rows)
    found = usage_of_free(stored(snapshot), WEEK, SPEC)
    named = usage_in(snapshot, pa.array(["a", "b", "d"]), SPEC, np.arange(3))
    assert [one.tolist() for one in found] == [one.tolist() for one in named]
    assert found[0].tolist() == [0, 1, 1, 2]


def test_usage_and_free_companies_of_several_parts_are_those_of_one(tmp_path: Path) -> None:
    tables = csv.Tables(tmp_path)
    tables.noncustomers += [f"{n},6 to 10,RETAIL,m{n}" for n in range(20)]
    tables.usage += [csv.usage_row(f"m{n}", f"2020-01-{6 + n % 4 * 7:02d}") for n in range(2, 20)]
    asked = pa.array(["m7", "stranger", "n1", "m19", "m0", "c1"])
    found = []
    for n_parts in (1, 3):
        report = tables.ingest(artifacts_dir=tmp_path / str(n_parts), partitions=n_parts)
        everyone = Everyone.of(parts(report.path))
        usage = usage_of(everyone, asked, SPEC)
        rows = (usage.company.tolist(), usage.stamp.tolist(), usage.values.tolist())  # noqa: PD011 - no frame
        found.append((rows, usage.covered_until, all_free(everyone, day("2020-02-03")).frame))
    (one, one_end, one_frame), (several, several_end, several_frame) = found
    assert (one, one_end) == (several, several_end)
    assert set(one[0]) == {0, 2, 3, 5}
    pd.testing.assert_frame_equal(one_frame, several_frame)
    assert one_frame["id"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("as_of", "covered"), [(WEEK + 30, WEEK + 7), (WEEK + 7, WEEK + 7), (WEEK + 6, WEEK)]
)
def test_usage_is_covered_up_to_the_last_period_that_was_complete_by_the_export(
    as_of: int, covered: int
) -> None:
    one = [NEVER_BEGAN]
    assert covered_by(known([NEVER_CLOSED], one, [(0, WEEK, 1)], as_of), SPEC) == covered
    assert covered_by(known([NEVER_CLOSED], one, [], as_of), SPEC) is None
