"""Where tables may come from, and that all ways give the same snapshot."""

from __future__ import annotations

import gzip
import shutil
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard

from ml_sys.data import snapshot
from ml_sys.data.fields import columns_of, fields_of
from ml_sys.data.reading import delimited, textfile
from ml_sys.data.reading.careful import Layout, read_carefully
from ml_sys.data.reading.columnar import as_text
from ml_sys.data.reading.rows import RawTable
from ml_sys.data.schema import CUSTOMERS, NONCUSTOMERS, USAGE
from ml_sys.data.sources import FileSource, FrameSource, SqlSource, open_source
from ml_sys.errors import (
    EmptyTableError,
    InputError,
    MissingColumnError,
    MissingFileError,
    RepeatedColumnError,
    ResolveError,
    UnreadableFileError,
)
from ml_sys.settings import SchemaSettings
from tests.data.tables import HEADERS, Tables, adds_up, quarantined, usage_row

TABLES = (CUSTOMERS, NONCUSTOMERS, USAGE)
USAGE_COLUMNS = columns_of(fields_of(SchemaSettings(), USAGE))


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    made = Tables(tmp_path)
    made.write()
    return made


def as_frame(tables: Tables, table: str) -> pd.DataFrame:
    """Read a table as pandas does, types guessed."""
    frame = pd.read_csv(tables.path(table))
    return frame.assign(WHEN_TIMESTAMP=pd.to_datetime(frame.WHEN_TIMESTAMP)) if table == USAGE else frame


def rows_of(table: RawTable) -> list[tuple[int, tuple[str, ...]]]:
    """Read all parts: line and texts of each row."""
    found = []
    for part in table.parts:
        rows = part()
        texts = zip(*(text.to_pylist() for text in rows.texts.values()), strict=True)
        found += list(zip(rows.lines.tolist(), texts, strict=True))
    return found


def test_a_query_over_files_stands_for_a_file(tables: Tables) -> None:
    plain = rows_of(FileSource().open(USAGE, str(tables.path(USAGE)), USAGE_COLUMNS))
    query = f"SELECT * FROM read_csv('{tables.path(USAGE)}', all_varchar = true);\n"  # noqa: S608 - the test's own
    read = rows_of(FileSource().open(USAGE, query, USAGE_COLUMNS))
    assert [texts for _, texts in read] == [texts for _, texts in plain]


def test_a_query_that_fails_says_what_duckdb_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"usage: FROM 'none\.csv': .*none\.csv") as caught:
        FileSource().open(USAGE, "FROM 'none.csv'", USAGE_COLUMNS)
    assert "try the query in DuckDB" in caught.value.hint


def test_compressed_files_give_the_same_snapshot_as_plain_ones(tables: Tables) -> None:
    plain = tables.ingest_as_they_are()
    content = tables.path(USAGE).read_bytes()
    half = len(content) // 2
    compress = zstandard.ZstdCompressor().compress
    packed = {
        "usage.csv.gz": gzip.compress(content[:half]) + gzip.compress(content[half:]),
        "usage.csv.zst": compress(content[:half]) + compress(content[half:]),
        "named-like-a-plain-one.csv": gzip.compress(content),
    }
    for name, compressed in packed.items():
        (tables.folder / name).write_bytes(compressed)
        assert tables.ingest_as_they_are(usage=str(tables.folder / name)).id == plain.id


def test_parquet_gives_the_same_snapshot_as_csv(tables: Tables) -> None:
    plain = tables.ingest_as_they_are(max_rejected_share=0.0)
    paths = {}
    for table in TABLES:
        paths[table] = str(tables.folder / f"{table}.parquet")
        as_frame(tables, table).to_parquet(paths[table])
    assert tables.ingest_as_they_are(**paths, max_rejected_share=0.0).id == plain.id


def test_a_row_of_a_parquet_file_is_quarantined_with_its_number_and_values(tables: Tables) -> None:
    frame = as_frame(tables, USAGE)
    frame.loc[4, "USERS_EMAIL"] = -1
    frame.to_parquet(tables.folder / "usage.parquet")
    report = tables.ingest_as_they_are(usage=str(tables.folder / "usage.parquet"))
    assert quarantined(report) == [(USAGE, 5, "USERS_EMAIL is negative")]
    (raw,) = pq.read_table(report.path / snapshot.QUARANTINE)["raw"].to_pylist()
    assert raw.startswith("2020-01-13 00:00:00.000000,")
    assert raw.endswith(",-1,c2")


def test_a_folder_gives_the_snapshot_of_one_file_and_names_the_file_of_each_bad_row(tables: Tables) -> None:
    busier = usage_row("c1", "2020-01-06 00:00:00.000", ("9",) * 8)
    tables.usage += [usage_row("nobody"), usage_row("n1", "soon"), usage_row("n2", "2020-02-10"), busier]
    tables.noncustomers += ["2000,6 to 10,,n1", "9,,,n2", "odd,,,n9"]
    plain = tables.ingest()
    cut = {}
    for name in (NONCUSTOMERS, USAGE):
        rows, folder = tables.rows(name), tables.folder / name
        (folder / "sub").mkdir(parents=True)
        for at, file in enumerate(("1.csv", "2.csv", "sub/3.csv")):
            (folder / file).write_text("\n".join([HEADERS[name], *rows[at::3], ""]))
        cut[name] = str(folder)
    there = pq.read_table(plain.path / snapshot.QUARANTINE).to_pylist()
    shutil.rmtree(tables.artifacts)
    found = tables.ingest_as_they_are(**cut)
    assert found.id == plain.id
    assert adds_up(found)
    kept = pq.read_table(found.path / snapshot.QUARANTINE).to_pylist()
    assert len(kept) == len(there) == 10

    def cut_at(row: dict[str, Any]) -> tuple[str, str, int, str]:
        at = row["line"] - 2
        file = tables.folder / row["table"] / ("1.csv", "2.csv", "sub/3.csv")[at % 3]
        return row["reason"], str(file), at // 3 + 2, row["raw"]

    assert sorted((row["reason"], row["file"], row["line"], row["raw"]) for row in kept) == sorted(
        map(cut_at, there)
    )
    [odd] = [note for note in found.notes if "ALEXA_RANK is not a number" in note]
    assert odd.endswith(f"first in line 5 of {tables.folder / 'noncustomers' / '2.csv'}; read as blank")


def test_a_database_gives_the_same_snapshot_as_files(tables: Tables) -> None:
    plain = tables.ingest_as_they_are(max_rejected_share=0.0)
    database = tables.folder / "crm.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE SCHEMA export")
        for table in TABLES:
            connection.execute(f"CREATE TABLE export.{table} AS FROM '{tables.path(table)}'")
    source = open_source("sql", database=str(database))
    by_name = {table: f"export.{table}" for table in TABLES}
    assert tables.ingest_as_they_are(source=source, **by_name, max_rejected_share=0.0).id == plain.id
    by_query = by_name | {"usage": "SELECT * FROM export.usage WHERE USERS_EMAIL > 0;\n"}
    assert tables.ingest_as_they_are(source=source, **by_query, max_rejected_share=0.0).id == plain.id


def test_a_database_is_not_changed_by_a_query(tables: Tables) -> None:
    database = tables.folder / "crm.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS id")
    with pytest.raises(InputError):
        SqlSource(database).open("usage", "DROP TABLE t", {"id": "id"})
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("FROM t").fetchall() == [(1,)]


def test_a_folder_of_parquet_files_is_a_database(tables: Tables) -> None:
    plain = tables.ingest_as_they_are()
    folder = tables.folder / "it's parquet"
    folder.mkdir()
    for table in TABLES:
        as_frame(tables, table).to_parquet(folder / f"{table}.parquet")
    source = open_source("sql", database=str(folder))
    assert tables.ingest_as_they_are(source=source, **{table: table for table in TABLES}).id == plain.id


def test_unrelated_files_beside_the_tables_do_not_matter(tables: Tables) -> None:
    plain = tables.ingest_as_they_are()
    folder = tables.folder / "parquet"
    folder.mkdir()
    for table in TABLES:
        as_frame(tables, table).to_parquet(folder / f"{table}.parquet")
    as_frame(tables, USAGE).to_parquet(folder / "usage-2020.v2.parquet")
    pq.write_table(pa.table({"x": [1]}), folder / "accounts.2020.parquet")
    (folder / "half.parquet").write_bytes(b"PAR1 and no more")
    source = open_source("sql", database=str(folder))
    named = {table: table for table in TABLES}
    assert tables.ingest_as_they_are(source=source, **named).id == plain.id
    named["usage"] = "usage-2020.v2"
    assert tables.ingest_as_they_are(source=source, **named).id == plain.id
    named["usage"] = 'SELECT * FROM "usage-2020.v2"'
    assert tables.ingest_as_they_are(source=source, **named).id == plain.id
    with pytest.raises(InputError, match=r"half"):
        tables.ingest_as_they_are(source=source, **named | {"usage": "half"})
    with pytest.raises(InputError) as caught:
        tables.ingest_as_they_are(source=source, **named | {"usage": "SELECT * FROM half"})
    assert "half.parquet cannot be read" in caught.value.hint


@pytest.mark.parametrize(
    ("location", "error", "words"),
    [
        ("nowhere", InputError, "nowhere"),
        ("SELECT 1 AS", InputError, "syntax error"),
        ("SELECT id, id FROM t", RepeatedColumnError, "'id'"),
        ("SELECT id AS ID FROM t", MissingColumnError, "'id' is missing"),
        ("SELECT error('halt') AS id FROM t", InputError, "halt"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused(
    tmp_path: Path, location: str, error: type[Exception], words: str
) -> None:
    pq.write_table(pa.table({"id": [1, 2]}), tmp_path / "t.parquet")
    with pytest.raises(error, match=words):
        rows_of(SqlSource(tmp_path).open("usage", location, {"id": "id"}))


def test_a_database_that_is_missing_unnamed_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        open_source("sql", database=str(tmp_path / "none.duckdb"))
    with pytest.raises(InputError, match=r"ingest\.database is empty"):
        open_source("sql")
    (tmp_path / "x.duckdb").write_text("this is no database at all, but text that is long enough " * 9)
    with pytest.raises(InputError, match=r"x\.duckdb"):
        open_source("sql", database=str(tmp_path / "x.duckdb")).open("usage", "t", {"id": "id"})


OWN_SOURCE = """
import pandas as pd


class Frames:
    def read(self, name):
        return pd.read_csv(f"{name}.csv")


class Broken:
    def read(self, name):
        raise RuntimeError("the service is down")


class NoFrame:
    def read(self, name):
        return [1, 2]


class NoRead:
    pass


class NeedsMore:
    def __init__(self, key):
        self.key = key
"""


@pytest.fixture
def own(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Tables:
    (tables.folder / "own_sources.py").write_text(OWN_SOURCE)
    monkeypatch.syspath_prepend(str(tables.folder))
    monkeypatch.chdir(tables.folder)
    monkeypatch.delitem(__import__("sys").modules, "own_sources", raising=False)
    return tables


def test_a_class_of_ones_own_needs_only_a_method_that_returns_frames(own: Tables) -> None:
    plain = own.ingest_as_they_are(max_rejected_share=0.0)
    source = open_source("own_sources:Frames")
    assert own.ingest_as_they_are(source=source, max_rejected_share=0.0).id == plain.id


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("Broken", InputError, "RuntimeError: the service is down"),
        ("NoFrame", InputError, "returned list"),
        ("NoRead", InputError, "has no method read"),
        ("NeedsMore", InputError, "TypeError"),
        ("Nothing", ResolveError, "Nothing"),
    ],
)
def test_a_class_of_ones_own_that_does_not_work_is_named(
    own: Tables, name: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        own.ingest_as_they_are(source=open_source(f"own_sources:{name}"))


def test_a_frame_with_values_of_several_types_is_read_as_text() -> None:
    frame = pd.DataFrame({"id": [1, "b", None, 2.5], "x": [1, 2, 3, 4]})
    table = FrameSource(lambda _: frame, "mine").open("usage", "", {"id": "id", "x": "x"})
    assert rows_of(table) == [(1, ("1", "1")), (2, ("b", "2")), (3, ("", "3")), (4, ("2.5", "4"))]


UUIDS = [uuid.UUID(int=7 << 64), None, uuid.UUID(int=2**128 - 1)]
UUID_TEXTS = ["00000000-0000-0007-0000-000000000000", "", "ffffffff-ffff-ffff-ffff-ffffffffffff"]


def test_the_uuids_of_parquet_of_a_database_and_of_a_frame_are_ids(tmp_path: Path) -> None:
    columns = {"id": "id"}
    written = pa.array([one and one.bytes for one in UUIDS], pa.uuid())
    pq.write_table(pa.table({"id": written}), tmp_path / "t.parquet")
    frame = pd.DataFrame({"id": UUIDS}, dtype=object)
    database = tmp_path / "crm.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"CREATE TABLE t AS FROM read_parquet('{tmp_path / 't.parquet'}')")
        assert connection.execute("SELECT typeof(id) FROM t").fetchone() == ("UUID",)
    for table in (
        FileSource().open("usage", str(tmp_path / "t.parquet"), columns),
        SqlSource(tmp_path).open("usage", "t", columns),
        SqlSource(database).open("usage", "t", columns),
        FrameSource(lambda _: frame, "mine").open("usage", "", columns),
    ):
        assert [texts for _, (texts,) in rows_of(table)] == UUID_TEXTS
    assert as_text("t", "c", written[1:], is_id=True).to_pylist() == UUID_TEXTS[1:]


def test_a_calendar_interval_of_a_database_is_refused_by_the_name_of_its_column(tmp_path: Path) -> None:
    database = tmp_path / "crm.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE customers AS SELECT 'a' AS id, INTERVAL 3 MONTH AS mrr")
    table = SqlSource(database).open("customers", "customers", {"id": "id", "mrr": "mrr"})
    with pytest.raises(UnreadableFileError, match="column 'mrr' has type month_day_nano_interval"):
        rows_of(table)


def clean_rows(n: int, *, quote: bool = False) -> list[str]:
    rows = [
        usage_row(f"n{i % 8 + 1}", f"2020-01-{i % 28 + 1:02}", tuple(str(i % k) for k in range(1, 9)))
        for i in range(n)
    ]
    return [",".join(f'"{cell}"' for cell in row.split(",")) for row in rows] if quote else rows


@pytest.mark.parametrize("quote", [False, True])
def test_blocks_of_any_size_give_the_same_rows(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, quote: bool
) -> None:
    tables.usage = clean_rows(60, quote=quote)
    tables.usage[20] = tables.usage[20].removesuffix('"') + ('\nmore"' if quote else "")
    tables.usage[21:21] = ["", "a,b", "\0" + tables.usage[1], '"open' + usage_row("n1")]
    tables.write()
    whole = rows_of(delimited.open_csv(tables.path(USAGE), USAGE_COLUMNS))
    assert len(whole) == 60
    for size in (len("more\n"), 97, 1000):  # the first cuts at every line's end, the quoted one too
        monkeypatch.setattr(textfile, "BLOCK_BYTES", size)
        assert rows_of(delimited.open_csv(tables.path(USAGE), USAGE_COLUMNS)) == whole


@pytest.mark.parametrize("quote", [False, True])
def test_both_levels_read_a_clean_block_alike(tables: Tables, quote: bool) -> None:
    tables.usage = clean_rows(100, quote=quote)
    tables.write()
    layout = Layout(",", 10, {field: i for i, field in enumerate(USAGE_COLUMNS)})
    block = textfile.block_of(("\r\n".join(tables.usage) + "\r\n").encode(), 2)
    fast = delimited._read_fast(block, layout)
    careful, done = read_carefully(block, layout, is_last=True)
    assert fast is not None
    assert done == 100
    assert fast.lines.tolist() == careful.lines.tolist()
    for field in USAGE_COLUMNS:
        assert fast.texts[field].to_pylist() == careful.texts[field].to_pylist()
    assert [fast.raw(i) for i in range(100)] == [careful.raw(i) for i in range(100)]


def test_the_order_of_columns_does_not_matter(tables: Tables) -> None:
    plain = tables.ingest_as_they_are()
    frame = pd.read_csv(tables.path(USAGE), dtype=str)
    frame[sorted(frame)].to_csv(tables.path(USAGE), index=False)
    assert list(frame) == HEADERS[USAGE].split(",")
    assert tables.ingest_as_they_are(max_rejected_share=0.0).id == plain.id


def test_a_missing_file_is_named_with_the_nearest_one(tables: Tables) -> None:
    with pytest.raises(MissingFileError) as caught:
        FileSource().open("usage", str(tables.folder / "usages.csv"), {"id": "id"})
    assert "usage.csv" in caught.value.hint


def test_endings_promise_in_capitals_too_and_an_empty_file_breaks_none(tmp_path: Path) -> None:
    (tmp_path / "a.PARQUET").write_text("id\n1\n")
    with pytest.raises(UnreadableFileError, match=r"does not match the ending \.PARQUET"):
        FileSource().open("t", str(tmp_path / "a.PARQUET"), {"id": "id"})
    (tmp_path / "a.csv.gz").write_bytes(b"")
    with pytest.raises(EmptyTableError):
        FileSource().open("t", str(tmp_path / "a.csv.gz"), {"id": "id"})


def test_a_query_may_begin_with_what_it_takes_from_and_ends_where_its_last_mark_does() -> None:
    for query in ("WITH a AS (SELECT 1 AS id) SELECT id FROM a ; ", "\n from (VALUES (1)) t(id);"):
        assert rows_of(FileSource().open("t", query, {"id": "id"})) == [(1, ("1",))]


def test_one_column_may_be_two_fields_wherever_it_comes_from(tmp_path: Path) -> None:
    both = {"id": "key", "user": "key", "at": "day"}
    pq.write_table(pa.table({"key": ["a"], "day": ["2024-01-01"]}), tmp_path / "log.parquet")
    wanted = [(1, ("a", "a", "2024-01-01"))]
    frames = FrameSource(lambda _: pd.DataFrame({"key": ["a"], "day": ["2024-01-01"]}), "own")
    query = f"FROM '{tmp_path / 'log.parquet'}'"
    assert rows_of(FileSource().open("log", str(tmp_path / "log.parquet"), both)) == wanted
    assert rows_of(FileSource().open("log", query, both)) == wanted
    assert rows_of(SqlSource(tmp_path).open("log", "log", both)) == wanted
    assert rows_of(frames.open("log", "", both)) == wanted


def test_columns_of_a_frame_are_known_by_what_they_are_written_as() -> None:
    frames = FrameSource(lambda _: pd.DataFrame({"id": ["a"], 2024: [5], 2025: [6]}), "own")
    found = frames.open("t", "", {"id": "id"})
    assert found.extra == ("2024", "2025")
    assert rows_of(found) == [(1, ("a",))]


def test_tables_of_a_folder_lie_in_it_and_not_below_it_and_unreadable_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    pq.write_table(pa.table({"id": ["old"]}), tmp_path / "old" / "teams.parquet")
    (tmp_path / "broken.parquet").write_text("nothing")
    with pytest.raises(InputError) as caught:
        SqlSource(tmp_path).open("teams", "teams", {"id": "id"})
    assert caught.value.hint == "name one of its tables, or write a query; broken.parquet cannot be read"


def test_a_source_that_reads_frames_and_opens_tables_is_asked_for_frames(own: Tables) -> None:
    own.path("nothing").with_name("both_ways.py").write_text(
        "import pandas as pd\n\nclass Both:\n"
        "    def read(self, table):\n        return pd.DataFrame({'id': [table]})\n"
        "    def open(self, *asked):\n        raise AssertionError\n"
    )
    assert rows_of(open_source("both_ways:Both").open("teams", "", {"id": "id"})) == [(1, ("teams",))]


def test_a_parquet_file_is_known_to_be_one_and_nothing_else_is(tables: Tables, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"id": ["a"]}), path)
    typed = FileSource().open("log", str(path), {"id": "id"})
    text = FileSource().open(USAGE, str(tables.path(USAGE)), USAGE_COLUMNS)
    assert (len(rows_of(typed)), len(rows_of(text))) == (1, len(tables.usage))
    assert (typed.parquet, text.parquet) == (path, None)
