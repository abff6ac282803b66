import resource
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.events.counting import AMOUNT_LIMIT, SUM_LIMIT, Counting
from ml_sys.data.events.few import count_few
from ml_sys.data.events.log import EventLog
from ml_sys.data.events.reading import Batch
from ml_sys.data.quarantine import MERGED_EVENT
from ml_sys.days import DAY_MICROSECONDS, Period, day_number
from ml_sys.errors import StorageError
from tests.data.events.made import DIGITS, IDS, MONDAY, batches, counted, event, few


def lines(log):
    return log.number("SELECT count(DISTINCT line) FROM event")


def test_a_row_has_counts_by_kind_the_others_together_sums_and_people_in_this_order():
    rows = [
        event(kind="a", one=0.25, user="x"),
        event(kind="a", one=0.25, user="y", day=MONDAY + 6, hour=23),
        event(kind="rare", two=2, user="x"),
        event(kind="", user=""),
        event(kind="b", day=MONDAY + 7),
    ]
    got = counted(rows, Counting(("a", "b"), DIGITS, has_users=True, period=Period("week")))
    assert got.stamp.tolist() == [MONDAY * DAY_MICROSECONDS, (MONDAY + 7) * DAY_MICROSECONDS]
    assert got.values.tolist() == [[2, 0, 2, 500, 2, 2], [0, 1, 0, 0, 0, 0]]


def test_a_table_without_kinds_has_one_count():
    got = counted([event(), event(kind="")], Counting(None, DIGITS, has_users=False, period=Period("day")))
    assert got.values.tolist() == [[2, 0, 0]]


def test_a_month_begins_on_its_first_day():
    rows = [event(day=day_number(date(2024, 2, 29))), event(day=day_number(date(2024, 3, 1)))]
    got = counted(rows, Counting(None, DIGITS, has_users=False, period=Period("month")))
    assert (got.stamp // DAY_MICROSECONDS).tolist() == [
        day_number(date(2024, 2, 1)),
        day_number(date(2024, 3, 1)),
    ]


def test_of_a_repeated_event_the_earliest_counts_and_the_others_are_returned_as_they_were_read():
    rows = [
        event(day=MONDAY + 8, kind="late", event_id="e"),
        event(kind="b", event_id="e"),
        event(kind="a", event_id="e"),
        event(entity=1, event_id="e"),
    ]
    with EventLog(2) as log:
        log.add(batches(rows))
        merged = list(log.merge_repeated(IDS))
        assert [(row.line, row.reason) for row in merged] == [(2, MERGED_EVENT), (3, MERGED_EVENT)]
        assert merged[0].raw == "zero,2024-01-09 00:00:00,late,0,0,,e"
        assert lines(log) + len(merged) == len(rows)
        assert log.kind_counts() == {"a": 2}


def test_an_event_of_two_entities_is_one_line():
    batch = Batch(
        np.array([0, 1], np.int32),
        np.array([MONDAY, MONDAY]) * DAY_MICROSECONDS,
        np.zeros((2, 0), np.int64),
        np.array([2, 2]),
    )
    with EventLog(0) as log:
        log.add([batch])
        assert lines(log) == 1
        assert log.rows(Counting(None, (), has_users=False, period=Period("day"))).values.tolist() == [
            [1],
            [1],
        ]
        assert len(list(log.take_out(MONDAY, MONDAY, "later", IDS))) == 1


def test_of_the_same_line_of_two_files_all_entities_keep_the_same_one():
    n = 2000
    batch = Batch(
        np.tile(np.array([0, 1], np.int32), n),
        np.zeros(2 * n, np.int64),
        np.zeros((2 * n, 0), np.int64),
        np.repeat(np.arange(n), 2),
        event_ids=pa.array(np.repeat(np.arange(n), 2).astype(str)),
    )
    with EventLog(0) as log:
        log.add([batch, batch])
        assert len(list(log.merge_repeated(IDS))) == n
        assert lines(log) == n


def test_events_of_days_that_do_not_count_are_taken_out_and_returned():
    rows = [event(), event(day=MONDAY + 7, kind="new"), event(day=MONDAY + 13, kind="new")]
    with EventLog(2) as log:
        log.add(batches(rows))
        gone = list(log.take_out(MONDAY + 7, MONDAY + 13, "later than the export", IDS))
        assert [row.line for row in gone] == [3, 4]
        assert lines(log) == 1
        assert len(log.rows(Counting(None, DIGITS, has_users=False, period=Period("week"))).stamp) == 1


def test_kinds_are_counted_before_a_day_alone():
    with EventLog(2) as log:
        log.add(batches([event(kind="old"), event(day=MONDAY + 1, kind="new")]))
        assert log.kind_counts(before=MONDAY + 1) == {"old": 1}
        assert log.kind_counts() == {"new": 1, "old": 1}


@pytest.mark.slow  # adds thousands of events one by one
def test_sums_are_exact_and_end_at_a_limit():
    most = float(AMOUNT_LIMIT)
    got = counted(
        [event(two=most), event(two=1.0), event(two=1.0)],
        Counting(None, DIGITS, has_users=False, period=Period("day")),
    )
    assert got.values[0, 2] == AMOUNT_LIMIT + 2
    many = [event(two=most)] * 5000
    counting = Counting(None, DIGITS, has_users=False, period=Period("day"))
    assert counted(many, counting).values[0, 2] == SUM_LIMIT
    assert count_few(few(many), counting).values[0, 2] == SUM_LIMIT


def test_nothing_is_left_of_the_temporary_folder(tmp_path):
    with EventLog(2, folder=tmp_path) as log:
        log.add(batches([event()]))
    assert not list(tmp_path.iterdir())


def test_an_empty_log_has_no_rows():
    assert counted([], Counting(("a",), DIGITS, has_users=True, period=Period("week"))).values.shape == (0, 5)


def test_entities_that_move_take_their_rows_and_their_names_along():
    rows = [event(entity=0), event(entity=1, two=1), event(entity=1, day=MONDAY + 1)]
    with EventLog(2) as log:
        log.add(batches(rows))
        log.move(np.array([1, 0], np.int32))
        got = log.rows(Counting(None, DIGITS, has_users=False, period=Period("day")))
        assert got.entity.tolist() == [0, 0, 1]
        assert got.values.tolist() == [[1, 0, 1], [1, 0, 0], [1, 0, 0]]
        assert log.periods(Period("week")).entity.tolist() == [0, 1]
        gone = list(log.take_out(MONDAY + 1, MONDAY + 1, "later", IDS))
        assert gone[0].raw.startswith("zero,")


def test_what_fits_neither_into_memory_nor_into_the_folder_says_where_to_make_room():
    with EventLog(2, memory_mb=40) as log:
        log.run("SET max_temp_directory_size = '1MB'")
        with pytest.raises(StorageError, match="not enough room") as refused:
            log.run("CREATE TEMP TABLE large AS SELECT range AS one, uuid() AS two FROM range(3000000)")
    assert "TMPDIR" in str(refused.value.hint)


def test_a_folder_that_cannot_be_written_is_named_in_one_line():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with EventLog(2, memory_mb=40) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(StorageError, match=r"mlsys-events-\w+: .*File too large") as refused:
                log.run("CREATE TEMP TABLE large AS SELECT range AS one, uuid() AS two FROM range(3000000)")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "TMPDIR" in str(refused.value.hint)


def test_a_repeated_event_is_taken_from_its_entity_alone_and_said_where_no_entity_is_left_with_it():
    batch = Batch(
        np.array([0, 0, 1, 0], np.int32),  # line 3 is of two entities, and repeats line 2 in one
        np.array([MONDAY, MONDAY + 1, MONDAY + 1, MONDAY + 2]) * DAY_MICROSECONDS,
        np.zeros((4, 0), np.int64),
        np.array([2, 3, 3, 4]),
        event_ids=pa.array(["e", "e", "e", "e"]),
    )
    with EventLog(0) as log:
        log.add([batch])
        assert [row.line for row in log.merge_repeated(IDS)] == [4]
        got = log.rows(Counting(None, (), has_users=False, period=Period("day")))
        assert list(zip(got.entity.tolist(), (got.stamp // DAY_MICROSECONDS).tolist(), strict=True)) == [
            (0, MONDAY), (1, MONDAY + 1)
        ]  # fmt: skip


def test_rows_of_entities_that_move_keep_their_periods():
    rows = [event(entity=0, day=MONDAY + 5), event(entity=1, day=MONDAY), event(entity=2, day=MONDAY + 9)]
    with EventLog(2) as log:
        log.add(batches(rows))
        log.move(np.array([2, 1, 0], np.int32))
        got = log.rows(Counting(None, DIGITS, has_users=False, period=Period("day")))
    assert list(zip(got.entity.tolist(), (got.stamp // DAY_MICROSECONDS).tolist(), strict=True)) == [
        (0, MONDAY + 9), (1, MONDAY), (2, MONDAY + 5)
    ]  # fmt: skip


@pytest.mark.parametrize(("first", "last", "left"), [(1, 2, [0, 3]), (0, 0, [1, 2, 3]), (3, 9, [0, 1, 2])])
def test_both_ends_of_the_days_that_are_taken_out_belong_to_them(first, last, left):
    with EventLog(2) as log:
        log.add(batches([event(day=MONDAY + at) for at in range(4)]))
        list(log.take_out(MONDAY + first, MONDAY + last, "later", IDS))
        assert (log.days() - MONDAY).tolist() == left


def test_entities_that_move_in_a_circle_take_their_rows_and_names_along():
    rows = [event(entity=at, two=at + 1) for at in range(3)]
    with EventLog(2) as log:
        log.add(batches(rows))
        log.move(np.array([1, 2, 0], np.int32))
        got = log.rows(Counting(None, DIGITS, has_users=False, period=Period("day")))
        assert list(zip(got.entity.tolist(), got.values[:, -1].tolist(), strict=True)) == [
            (0, 3), (1, 1), (2, 2)
        ]  # fmt: skip
        assert [row.raw.partition(",")[0] for row in log.take_out(MONDAY, MONDAY, "later", IDS)] == [
            "one", "two", "zero"
        ]  # fmt: skip


def test_where_no_kind_has_a_name_all_events_are_others():
    rows = [event(kind="a"), event(kind=""), event(kind="b")]
    counting = Counting((), DIGITS, has_users=False, period=Period("day"))
    assert counted(rows, counting).values.tolist() == [[3, 0, 0]]


def test_a_line_of_several_entities_is_returned_under_the_first_of_them():
    batch = Batch(
        np.array([2, 1], np.int32),
        np.array([MONDAY, MONDAY]) * DAY_MICROSECONDS,
        np.zeros((2, 0), np.int64),
        np.array([5, 5]),
    )
    with EventLog(0) as log:
        log.add([batch])
        assert [row.raw.partition(",")[0] for row in log.take_out(MONDAY, MONDAY, "later", IDS)] == ["one"]


def test_kinds_are_told_apart_by_their_case():
    rows = [event(kind="view"), event(kind="View")]
    counting = Counting(("view",), DIGITS, has_users=False, period=Period("day"))
    assert counted(rows, counting).values.tolist() == [[1, 1, 0, 0]]
