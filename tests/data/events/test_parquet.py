from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_sys.data.checking import moments, values
from ml_sys.data.events.counting import Counting, scaled
from ml_sys.data.events.links import Links
from ml_sys.data.events.log import EventLog
from ml_sys.data.events.parquet import EventColumns, NamePairs, is_typed, read_parquet
from ml_sys.data.events.reading import batch_of
from ml_sys.data.quarantine import LOST_COMPANY
from ml_sys.data.reading import columnar
from ml_sys.data.usage import UNKNOWN_ID
from ml_sys.days import Period
from ml_sys.errors import UnreadableFileError
from tests.data.events.made import same

COLUMNS = EventColumns("when", (("minutes", 3), ("size", 0)), "id", "user", "event", "event_id")
COUNTING = Counting(("view", "edit"), (3, 0), has_users=True, period=Period("week"))
IDS = pa.array(["7", "11", "12"])
N = 400


def table(ids=None, users=None):
    rng = np.random.default_rng(5)
    names = np.array(["7", "11", "12"])[rng.integers(0, 3, N)]
    return {
        "id": pa.array(names) if ids is None else ids,
        "user": pa.array([f" u{n} " if n else None for n in rng.integers(0, 9, N)])
        if users is None
        else users,
        "when": pa.array(1_700_000_000_000_000 + rng.integers(0, 5 * 10**12, N)).cast(pa.timestamp("us")),
        "event": pa.array(np.array(["view", " edit\u2003", "", "Öl"])[rng.integers(0, 4, N)]),
        "minutes": pa.array(np.where(rng.random(N) < 0.2, np.nan, rng.exponential(3, N).round(4))),
        "size": pa.array(rng.integers(0, 5, N), pa.int32()),
        "event_id": pa.array([f"e{n}" for n in rng.integers(0, 300, N)]),
    }


def quick(tmp_path, columns, known=None, which=COLUMNS):
    pq.write_table(pa.table(columns), tmp_path / "events.parquet", row_group_size=64)
    assert is_typed(tmp_path / "events.parquet", which)
    known = known or NamePairs(IDS, np.arange(3, dtype=np.int32), frozenset({"lost"}))
    with EventLog(2) as log:
        n_rows, bad = read_parquet(log, tmp_path / "events.parquet", which, known)
        bad = list(bad)
        merged = list(log.merge_repeated(IDS))
        return n_rows, bad, merged, log.rows(COUNTING)


def as_text(columns, entities=lambda ids: pa.compute.index_in(ids, IDS).fill_null(-1).to_numpy()):
    """Count the same table the way that rows of text are."""
    texts = {
        name: columnar.as_text("t", name, column, is_id=name == "id") for name, column in columns.items()
    }
    checked = {name: values.free_texts(texts[name]).values for name in ("id", "user", "event", "event_id")}
    checked["at"] = moments.stamps(texts["when"]).values
    for name, digits in COLUMNS.amounts:
        checked[name] = scaled(values.amounts(texts[name]).values, digits)[0]
    with EventLog(2) as log:
        log.add([batch_of(checked, np.arange(N) + 1, ["minutes", "size"], entities)[0]])
        merged = list(log.merge_repeated(IDS))
        return merged, log.rows(COUNTING)


def test_a_typed_file_is_counted_as_its_texts_are(tmp_path):
    n_rows, bad, merged, rows = quick(tmp_path, table())
    assert (n_rows, bad) == (N, [])
    expected_merged, expected = as_text(table())
    assert same(rows, expected)
    assert {one.line for one in merged} == {one.line for one in expected_merged}


def test_integers_are_identifiers_as_their_texts_are(tmp_path):
    numbers = pa.array(np.random.default_rng(1).integers(0, 9, N))
    columns = table(table()["id"].cast(pa.int64()), numbers)
    assert same(quick(tmp_path, columns)[3], as_text(columns)[1])


def test_users_lead_to_entities_by_their_links(tmp_path):
    rng = np.random.default_rng(2)
    users, entity = (
        pa.array([f"u{n}" for n in rng.integers(1, 9, 20)]),
        rng.integers(0, 3, 20).astype(np.int32),
    )
    pairs = pa.table({"user": users, "entity": pa.array(entity)}).group_by(["user", "entity"]).aggregate([])
    known = NamePairs(pairs["user"].combine_chunks(), pairs["entity"].to_numpy())
    linked = EventColumns("when", COLUMNS.amounts, "", "user", "event", "event_id")
    _, bad, _, rows = quick(tmp_path, table(), known, linked)
    columns = table()
    del columns["id"]
    columns["id"] = table()["id"]
    assert same(rows, as_text(columns, Links(users, entity))[1])
    assert {row.reason for row in bad} == {"user is blank"}


def test_bad_rows_come_back_with_line_reason_and_what_they_say(tmp_path):
    columns = {name: column.to_pylist() for name, column in table().items()}
    columns["id"][3] = " "
    columns["id"][4], columns["id"][5] = "nobody", " lost"
    columns["when"][6] = None
    columns["when"][7] = columns["when"][7].replace(year=1969)
    columns["when"][11] = columns["when"][11].replace(year=1970)
    columns["minutes"][8], columns["minutes"][9], columns["minutes"][10] = -0.5, np.inf, 1e14
    columns["size"][8] = -1
    kinds = {"when": pa.timestamp("us"), "size": pa.int32(), "minutes": pa.float64()}
    typed = {name: pa.array(column, kinds.get(name, pa.string())) for name, column in columns.items()}
    n_rows, bad, merged, rows = quick(tmp_path, typed)
    assert [(row.line, row.reason) for row in bad] == [
        (4, "id is blank"),
        (5, UNKNOWN_ID),
        (6, LOST_COMPANY),
        (7, "when is blank"),
        (8, "when lies outside 1970 to 2099"),
        (9, "minutes is negative"),
        (10, "minutes is not a number"),
        (11, "minutes is too large"),
    ]
    assert bad[1].raw.startswith("nobody,")
    assert n_rows == len(bad) + len(merged) + rows.values[:, :3].sum()


def test_a_blank_user_is_nobody(tmp_path):
    columns = table(users=pa.array([["", "  ", "ann", None][n % 4] for n in range(N)]))
    assert same(quick(tmp_path, columns)[3], as_text(columns)[1])


def test_a_file_that_lacks_a_column_is_not_read_by_its_types(tmp_path):
    columns = table()
    del columns["event_id"]
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    assert not is_typed(tmp_path / "events.parquet", COLUMNS)


@pytest.mark.parametrize(("number", "entity"), [(7, 0), (-7, 1), (0, 2), (1234567890123456789, None)])
def test_an_integer_names_the_entity_that_is_written_as_it_is(tmp_path, number, entity):
    columns = table(pa.array([number] * N, pa.int64()))
    names, places = pa.array(["7", "07", "-7", "0", "-0", "x"]), np.array([0, 1, 1, 2, 1, 2], np.int32)
    _, bad, _, rows = quick(tmp_path, columns, NamePairs(names, places))
    assert np.unique(rows.entity).tolist() == ([] if entity is None else [entity])
    assert len(bad) == (N if entity is None else 0)


@pytest.mark.parametrize(
    "change",
    [
        {"when": pa.array(["2024-01-01"] * N)},
        {"when": pa.array([0] * N).cast(pa.timestamp("us", "Europe/Berlin"))},
        {"id": pa.array([1.5] * N)},
        {"minutes": pa.array(["1"] * N)},
        {"id": pa.array([2**63] * N, pa.uint64())},
    ],
)
def test_a_file_whose_columns_are_not_typed_is_read_as_text(tmp_path, change):
    pq.write_table(pa.table({**table(), **change}), tmp_path / "events.parquet")
    assert not is_typed(tmp_path / "events.parquet", COLUMNS)


def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table(table()), file)
    content = bytearray(file.read_bytes())
    content[200:2000] = bytes(1800)
    file.write_bytes(content)
    with EventLog(2) as log, pytest.raises(UnreadableFileError, match=r"events\.parquet"):
        read_parquet(log, file, COLUMNS, NamePairs(IDS, np.arange(3, dtype=np.int32)))


def test_a_moment_after_2099_and_an_amount_that_is_none_are_named_by_their_own_columns(tmp_path):
    columns = {name: column.to_pylist() for name, column in table().items()}
    columns["when"][2] = columns["when"][2].replace(year=2100)
    columns["when"][3] = columns["when"][3].replace(year=2099)
    columns["size"] = [float(one) for one in columns["size"]]
    columns["size"][4], columns["event"][5] = np.inf, None
    kinds = {"when": pa.timestamp("us"), "size": pa.float64(), "minutes": pa.float64()}
    typed = {name: pa.array(column, kinds.get(name, pa.string())) for name, column in columns.items()}
    _, bad, merged, rows = quick(tmp_path, typed)
    assert [(row.line, row.reason) for row in bad] == [
        (3, "when lies outside 1970 to 2099"), (5, "size is not a number")
    ]  # fmt: skip
    assert rows.values[:, :3].sum() + len(merged) == N - 2


@pytest.mark.parametrize(
    ("column", "typed"),
    [
        (pa.array(["a"]).dictionary_encode(), True),
        (pa.array(["a"], pa.large_string()), True),
        (pa.array([1], pa.int16()), True),
        (pa.array([1], pa.uint64()), False),
        (pa.array([1.0]), False),
    ],
)
def test_names_need_no_reading_where_they_are_texts_or_whole_numbers(tmp_path, column, typed):
    when = pa.array([0], pa.timestamp("ms"))
    pq.write_table(pa.table({"id": column, "when": when}), tmp_path / "events.parquet")
    assert is_typed(tmp_path / "events.parquet", EventColumns("when", id="id")) == typed


@pytest.mark.parametrize(
    ("column", "typed"),
    [
        (pa.array([1.5]), True),
        (pa.array([1], pa.int8()), True),
        (pa.array([Decimal("1.50")]), True),
        (pa.array(["1.5"]), False),
    ],
)
def test_amounts_need_no_reading_where_they_are_numbers(tmp_path, column, typed):
    named, when = pa.array(["a"]), pa.array([0], pa.date32())
    pq.write_table(pa.table({"id": named, "when": when, "n": column}), tmp_path / "events.parquet")
    assert is_typed(tmp_path / "events.parquet", EventColumns("when", (("n", 2),), "id")) == typed


@pytest.mark.parametrize("name", ["named", "Named", "file_row_number", "ID", "Minutes"])
def test_a_file_with_a_column_that_could_be_taken_for_another_is_read_as_text(tmp_path, name):
    pq.write_table(pa.table({name: pa.array(["11"] * N), **table()}), tmp_path / "events.parquet")
    assert not is_typed(tmp_path / "events.parquet", COLUMNS)


@pytest.mark.parametrize(
    "name", ["line", "fault", "moment", "kind", "day", "amount_0", "entity", "bad", "file"]
)
def test_a_column_that_is_called_like_one_of_ours_is_left_alone(tmp_path, name):
    columns = {name: pa.array(["11"] * N), **table()}
    columns["id"] = pa.array(["nobody", *table()["id"].to_pylist()[1:]])
    _, bad, _, rows = quick(tmp_path, columns)
    assert [(row.line, row.reason) for row in bad] == [(1, UNKNOWN_ID)]
    assert same(rows, as_text(columns)[1])


@pytest.mark.parametrize("name", ["log[1].parquet", "l*.parquet", "l?g2.parquet", "it's\n.parquet"])
def test_a_file_is_read_though_its_name_is_a_pattern_of_others(tmp_path, name):
    """DuckDB takes log[1].parquet for log1.parquet, if there is one."""
    for at, file in enumerate((name, "log1.parquet", "log2.parquet", "lag2.parquet")):
        when = pa.array([at], pa.timestamp("s"))
        pq.write_table(pa.table({"id": ["7" if file == name else "x"], "when": when}), tmp_path / file)
    known, which = NamePairs(pa.array(["7"]), np.zeros(1, np.int32)), EventColumns("when", id="id")
    with EventLog(0) as log:
        n_rows, bad = read_parquet(log, tmp_path / name, which, known)
        assert (n_rows, list(bad), log.number("SELECT count(*) FROM event")) == (1, [], 1)


def test_less_than_a_microsecond_is_rounded_up_as_in_text(tmp_path):
    columns = table()
    columns["when"] = pa.array([1_700_000_000_000_000_000 + at % 3 for at in range(N)], pa.timestamp("ns"))
    columns["event_id"] = pa.array([""] * N)
    _, _, _, rows = quick(tmp_path, columns)
    assert same(rows, as_text(columns)[1])
    with EventLog(2) as log:
        known = NamePairs(IDS, np.arange(3, dtype=np.int32))
        list(read_parquet(log, tmp_path / "events.parquet", COLUMNS, known)[1])
        moments = log.database.execute("SELECT DISTINCT moment FROM event ORDER BY 1").fetchall()
    assert moments == [(1_700_000_000_000_000,), (1_700_000_000_000_001,)]
