"""Which files are opened, how they are read, and what their columns hold."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_sys.data.looking import dates
from ml_sys.data.looking.columns import SeenColumn, columns_of
from ml_sys.data.looking.headers import is_header, named_twice
from ml_sys.data.looking.opening import is_query, look_at
from ml_sys.data.looking.sniffing import Sniffed, sniff
from ml_sys.errors import EmptyTableError, InputError, UnreadableFileError


def sniffed(*files: object, most_rows: int = 1000) -> tuple[list[Sniffed], list[str]]:
    with duckdb.connect() as connection:
        return sniff(connection, [str(one) for one in files], most_rows=most_rows)


def column(tmp_path: Path, name: str, *values: str) -> SeenColumn:
    """Return what a column of these values holds."""
    file = tmp_path / "table.csv"
    lines = [f'{at};"{value}"' for at, value in enumerate(values)]
    file.write_text("\n".join([f"n;{name}", *lines]), encoding="utf-8")
    with duckdb.connect() as connection:
        (table,), _ = sniff(connection, [str(file)])
        return columns_of(connection, table)[name]


def test_a_folder_is_its_tables_and_names_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id,name\n1,a\n2,b\n")
    (tmp_path / "notes.md").write_text("nothing")
    tables, notes = sniffed(tmp_path)
    assert [(one.name, one.rows) for one in tables] == [("users", 2)]
    assert notes == [f"{tmp_path / 'notes.md'}: skipped, as it is not a table"]


def test_files_called_alike_but_for_a_number_are_one_table_if_their_columns_are_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "log_1.csv").write_text("id,n\n1,2\n")
    (tmp_path / "log_2.csv").write_text("id,n\n2,2\n")
    tables, _ = sniffed(tmp_path)
    assert [(one.name, one.rows, one.is_plain) for one in tables] == [("log", 2, True)]
    (tmp_path / "log_2.csv").write_text("id,other\n2,2\n")
    assert [one.name for one in sniffed(tmp_path)[0]] == ["log_1", "log_2"]


def test_only_so_many_rows_are_looked_at_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,n\n" + "1,2\n" * 50)
    ((table,), _) = sniffed(tmp_path, most_rows=20)
    assert (table.rows, table.notes) == (20, ("only its first 20 rows were looked at",))


@pytest.mark.parametrize(("name", "content"), [("a.csv", b""), ("a.csv", b"id,n\n")])
def test_a_table_without_rows_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EmptyTableError):
        sniffed(tmp_path / name)


def test_what_is_no_table_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    (tmp_path / "b.parquet").write_bytes(b"no parquet")
    with pytest.raises(UnreadableFileError) as caught:
        sniffed(tmp_path / "a.xlsx")
    assert "save each of its sheets as a CSV file" in caught.value.hint
    with pytest.raises(UnreadableFileError):
        sniffed(tmp_path / "b.parquet")
    with pytest.raises(InputError, match="there is no such file") as missing:
        sniffed(tmp_path / "b.parket")
    assert missing.value.hint == f"did you mean {tmp_path / 'b.parquet'}?"


def test_lines_that_end_in_two_ways_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,day\r\r\n1,2024-01-01\r\r\n2,2024-01-02\r\r\n" * 9)
    with pytest.raises(UnreadableFileError, match="its lines do not share one format") as caught:
        sniffed(tmp_path / "a.csv")
    assert "line ends" in caught.value.hint


def test_text_in_another_encoding_is_read(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_bytes("id,city\n1,Köln\n2,Graz\n".encode("latin-1"))
    ((table,), _) = sniffed(tmp_path)
    assert table.rows == 2


def test_a_query_is_looked_at_as_a_file_is(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("id,n\n1,2\n2,4\n")
    query = f"SELECT id, n * 2 AS twice FROM '{file}';"  # noqa: S608 - the test's own
    with duckdb.connect() as connection:
        found = look_at(connection, {"log": query})["log"]
        assert {one.name: one.high for one in found.columns.values()} == {"id": 2.0, "twice": 8.0}
        with pytest.raises(InputError, match=r"log: FROM 'none\.csv'"):
            look_at(connection, {"log": "FROM 'none.csv'"})


@pytest.mark.parametrize(
    ("values", "format_"),
    [
        (("2023-01-31", "2023-02-01 10:00:00", "2023-02-01T10:00:00Z"), dates.ISO),
        (("31/01/2023", "01/02/2023"), "%d/%m/%Y"),
        (("01/31/2023", "02/01/2023"), "%m/%d/%Y"),
        (("01.02.2023", "02.02.2023"), "%d.%m.%Y"),
        (("01-02-2023", "01-03-2023", "01-04-2023"), "%d-%m-%Y"),
        (("02/03/2023", "03/02/2023"), "ambiguous/"),
        (("13/01/2023", "01/14/2023"), "ambiguous/"),
        (("2023-01", "2023-02"), dates.MONTHS),
        (("2023-W01", "2023-KW2"), dates.WEEKS),
        (("1672531200", "1675209600"), dates.SECONDS),
        (("1672531200000", "1675209600000"), dates.MILLISECONDS),
    ],
)
def test_dates_are_told_by_how_they_are_written(
    values: tuple[str, ...], format_: str, tmp_path: Path
) -> None:
    found = column(tmp_path, "created_at", *values)
    assert (found.looks, found.format) == ("date", format_)


def test_numbers_as_large_as_seconds_are_ids_unless_a_name_says_otherwise(tmp_path: Path) -> None:
    assert column(tmp_path, "device", "1672531200", "1675209600").looks == "whole"
    assert column(tmp_path, "player ID", "1672531200000", "1675209600000").looks == "whole"


def test_ranges_and_flags_are_told(tmp_path: Path) -> None:
    assert column(tmp_path, "size", "11 to 25", "26 - 50", "10001 or more").is_range
    assert column(tmp_path, "is_b2b", "yes", "no", "no").is_flag
    assert column(tmp_path, "is_b2b", "0", "1", "1").is_flag
    assert not column(tmp_path, "size", "big", "small").is_flag


def test_what_is_written_in_another_way_comes_out_as_iso() -> None:
    sql = dates.written_iso("v", "%d.%m.%Y")
    found = duckdb.sql(f"SELECT {sql} FROM (VALUES ('31.01.2023'), ('31.01.2023 10:30'), ('soon')) AS t(v)")  # noqa: S608 - the test's own
    assert [one[0] for one in found.fetchall()] == ["2023-01-31 00:00:00", "2023-01-31 10:30:00", "soon"]


def test_every_name_that_several_columns_have_is_said_once(tmp_path: Path) -> None:
    lines = ["id,city, Plan ,city,plan,n,city", "a1,x,y,z,w,5,v", "a2,x,y,z,w,6,v", ""]
    (tmp_path / "users.csv").write_text("\n".join(lines))
    ((table,), _) = sniffed(tmp_path)
    assert table.notes == tuple(
        f"several columns are called {one}, so none of them is read" for one in ("city", "Plan", "plan")
    )
    assert list(table.columns) == ["id", "n"]


@pytest.mark.parametrize(
    ("above", "notes"),
    [
        ("", ()),
        ("sep=,\n", ()),
        ("# exported\n", ("1 line above its header skipped",)),
        ("Users of today\n\n", ("2 lines above its header skipped",)),
    ],
)
def test_what_stands_above_a_header_is_passed_over_and_said(
    above: str, notes: tuple[str, ...], tmp_path: Path
) -> None:
    rows = "".join(f"{at},AT,2024-01-{at:02}\n" for at in range(1, 20))
    (tmp_path / "a.csv").write_text(f"{above}id,country,day\n{rows}")
    ((table,), _) = sniffed(tmp_path)
    assert (list(table.columns), table.rows, table.is_plain) == (["id", "country", "day"], 19, True)
    assert table.notes == notes


def test_parts_of_one_table_may_each_have_a_line_above_their_header(tmp_path: Path) -> None:
    for at in (1, 2):
        (tmp_path / f"log_{at}.csv").write_text(f"# part {at}, of 2\nid,n,day\n{at},2,x\n{at},3,y\n")
    assert [(one.name, one.rows) for one in sniffed(tmp_path)[0]] == [("log", 4)]


def test_text_that_only_windows_has_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,price\n1,a\n2,9 €\n".encode("cp1252"))
    with pytest.raises(UnreadableFileError, match="it is encoded in Windows-1252") as caught:
        sniffed(tmp_path / "a.csv")
    assert caught.value.hint == "save it as CSV in UTF-8"


@pytest.mark.parametrize(
    ("values", "says", "sure", "is_one"),
    [
        (["id", "city"], False, False, True),
        (["id", "ID"], True, False, False),  # values, of which one is there twice
        (["id", "ID"], True, True, True),
        (["", "id"], False, False, True),  # an index, as pandas writes it
        ([""], False, False, False),
        (["id", "2024"], True, True, False),
        (["id", "12 months"], True, True, True),
        (["id", "12 months"], True, False, False),
        (["ann", "a name@x.de"], False, False, False),
        (["ann", "-"], False, True, False),
    ],
)
def test_a_first_line_names_columns_by_what_stands_in_it(
    values: list[str], says: bool, sure: bool, is_one: bool
) -> None:
    assert is_header(values, says=says, sure=sure) == is_one


def test_values_under_no_name_are_too_many_from_the_first_one_on(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("id,city,\na1,x,\na2,y,z\n")
    with pytest.raises(
        UnreadableFileError, match="its rows have 3 values, but its first line has only 2 names"
    ):
        sniffed(path)
    path.write_text("id,city,\na1,x,\na2,y,\n")
    ((table,), _) = sniffed(path)
    assert list(table.columns) == ["id", "city"]


def test_blanks_are_no_name_that_two_columns_share() -> None:
    assert named_twice(["id", "", "", "City", " city", None]) == {3, 4}


@pytest.mark.parametrize(
    ("location", "is_one"),
    [
        ("SELECT 1", True),
        ("from 'a.csv'", True),
        ("\n with a AS (SELECT 1) FROM a", True),
        ("from", False),  # a file of that name
        ("select.csv", False),
        ("users.csv", False),
    ],
)
def test_a_query_begins_with_one_of_three_words_and_goes_on(location: str, is_one: bool) -> None:
    assert is_query(location) == is_one


def test_a_table_is_called_as_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "users_2024.csv").write_text("id,city\na1,x\n")
    with duckdb.connect() as connection:
        found = look_at(connection, {"people": str(tmp_path / "users_2024.csv"), "one": "SELECT 1 AS id"})
    assert {name: (one.table.name, list(one.columns)) for name, one in found.items()} == {
        "people": ("people", ["id", "city"]), "one": ("one", ["id"])
    }  # fmt: skip


def test_of_several_files_one_without_rows_is_left_out_of_a_folder_and_refused_where_it_is_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "users.csv").write_text("id,city\na1,x\n")
    (tmp_path / "none.csv").write_text("id,city\n")
    tables, notes = sniffed(tmp_path)
    assert ([one.name for one in tables], notes) == (
        ["users"], [f"{tmp_path / 'none.csv'}: skipped, as it has no rows"]
    )  # fmt: skip
    with pytest.raises(EmptyTableError):
        sniffed(tmp_path / "users.csv", tmp_path / "none.csv")


def test_tables_of_one_name_are_told_apart_however_many_there_are(tmp_path: Path) -> None:
    for at, folder in enumerate(("a", "b", "c")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "users.csv").write_text(f"id,city{at}\na1,x\n")
    tables, _ = sniffed(*(tmp_path / folder for folder in ("a", "b", "c")))
    assert [one.name for one in tables] == ["users", "users_more", "users_more_more"]


def test_parts_that_are_called_by_numbers_alone_are_called_as_their_folder(tmp_path: Path) -> None:
    (tmp_path / "usage log").mkdir()
    for at in (1, 2):
        (tmp_path / "usage log" / f"{at}.csv").write_text("id,n\na1,2\n")
    ((table,), _) = sniffed(tmp_path / "usage log")
    assert (table.name, table.location, table.is_plain) == ("usage_log", str(tmp_path / "usage log"), True)


@pytest.mark.parametrize(
    ("name", "content", "plain"),
    [
        ("a.csv", b"id,n\na1,2\n", True),
        ("a.csv", b"id\tn\na1\t2\n", True),
        ("a.csv", b"id|n\na1|2\n", False),  # which only a query reads
        ("a.csv", b"\xef\xbb\xbfid,n\na1,2\n", True),
        ("a.csv", b"id ,n\na1,2\n", False),  # which only a query calls id
        ("a.jsonl", b'{"id": "a1", "n": 2}\n', True),
        ("a.json", b'[{"id": "a1", "n": 2}]', False),
        ("a.json.gz", gzip.compress(b'[{"id": "a1", "n": 2}]', mtime=0), False),
        ("a.jsonl", b'{"id": "a1", "n": {"x": 2}}\n', False),
    ],
)
def test_a_file_is_plain_where_it_is_read_without_a_query(
    name: str, content: bytes, plain: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    ((table,), _) = sniffed(tmp_path / name)
    assert (table.is_plain, table.rows) == (plain, 1)


def test_an_index_is_no_column_records_are_flattened_and_lists_of_any_kind_are_left_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "users.parquet"
    plain = {"id": pa.array(["a"]), "__index_level_0__": pa.array([0])}
    pq.write_table(pa.table(plain), path)
    ((table,), _) = sniffed(path)
    assert (list(table.columns), table.is_plain) == (["id"], True)
    nested = {
        "at": pa.array([{"city": "x", "geo": {"lat": 1.0}}]),
        "many": pa.array([[1]]),
        "pair": pa.array([[1, 2]], pa.list_(pa.int64(), 2)),
    }
    pq.write_table(pa.table(plain | nested), path)
    ((table,), _) = sniffed(path)
    assert list(table.columns) == ["id", "at_city", "at_geo_lat"]
    assert table.notes == ("many is left out, as it holds lists", "pair is left out, as it holds lists")
    assert not table.is_plain


def test_records_inside_one_object_are_rows_and_lists_of_many_records_are_not(tmp_path: Path) -> None:
    users = [{"id": at, "at": {"city": "Graz"}} for at in range(3)]
    (tmp_path / "users.json").write_text(json.dumps({"data": users, "meta": {"pages": 1}}))
    (tmp_path / "orders.json").write_text(json.dumps([{"id": at, "items": [{"n": 1}]} for at in range(3)]))
    (orders, inside), _ = sniffed(tmp_path)
    assert (list(inside.columns), inside.rows, inside.is_plain) == (["id", "at_city"], 3, False)
    assert (list(orders.columns), orders.rows) == (["id"], 3)


@pytest.mark.slow  # reads a large file
def test_one_object_of_any_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text(json.dumps({"data": [{"id": "a" * 17_000_000}]}))
    ((table,), _) = sniffed(tmp_path / "users.json")
    assert (list(table.columns), table.rows) == (["id"], 1)


def test_columns_without_names_are_numbered_from_one(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("1,2024-01-01\n2,2024-01-02\n3,2024-01-03\n")
    ((table,), _) = sniffed(tmp_path / "log.csv")
    assert list(table.columns) == ["column1", "column2"]
    assert table.notes == ("it has no header, so its columns are called column1, column2, ...",)


def test_text_of_two_bytes_a_letter_is_read_with_its_low_bytes_first_and_else_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufeffid;größe\na1;2\n".encode("utf-16-le"))
    ((table,), _) = sniffed(tmp_path / "a.csv")
    assert (list(table.columns), table.rows, table.is_plain) == (["id", "größe"], 1, True)
    (tmp_path / "a.csv").write_bytes("\ufeffid;größe\na1;2\n".encode("utf-16-be"))
    with pytest.raises(UnreadableFileError, match="it is encoded in UTF-16, high byte first"):
        sniffed(tmp_path / "a.csv")


def test_a_query_ends_before_its_last_marks() -> None:
    with duckdb.connect() as connection:
        found = look_at(connection, {"one": "SELECT 1 AS id ; \n;"})
    assert list(found["one"].columns) == ["id"]
