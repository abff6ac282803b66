"""Tables of a real PostgreSQL: every type as it is meant, in batches, and nothing where it is lost midway."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
import psycopg
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.sources import open_source
from ml_sys.errors import InputError, LostConnectionError
from tests.data.described import VISITS, day, ingested, told
from tests.outcomes import postgresql

TYPES = """
CREATE SEQUENCE numbers;
CREATE TYPE size AS ENUM ('small', 'large');
CREATE TABLE things (id BIGINT, code UUID, name TEXT, size size, paid BOOLEAN, seen DATE, at TIMESTAMP,
  at_zone TIMESTAMPTZ, price NUMERIC(12, 3), share DOUBLE PRECISION, tags TEXT[], info JSONB, raw BYTEA);
INSERT INTO things VALUES
  (9007199254740993, '00000000-0000-0000-0000-00000000abcd', 'Ä:b', 'large', true, '2024-03-31',
   '2024-03-31 02:30:00.5', '2024-03-31 02:30:00+02', 1234567.890, 0.1, '{a}', '{"a": 1}', '\\x00'),
  (-1, NULL, '', NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (2, NULL, NULL, 'small', NULL, 'infinity', '0044-03-15 BC', '-infinity', 'NaN', 'NaN', NULL, NULL, NULL);
"""


@pytest.fixture(scope="module")
def address(postgresql_server) -> str:
    return postgresql.new_database(postgresql_server)


@pytest.fixture(scope="module")
def things(address):
    with psycopg.connect(address) as connection:
        connection.execute(TYPES)
    return open_source("sql", database=address)


def read(source: Any, location: str, *columns: str) -> list[tuple[str, ...]]:
    """Read columns of a table as the texts that validation is given."""
    with closing(source.open("t", location, {one: one for one in columns})) as raw:
        parts = [part().texts for part in raw.parts]
    return [row for one in parts for row in zip(*(one[name].to_pylist() for name in columns), strict=True)]


def test_every_type_is_read_as_it_is_meant_and_null_is_a_blank(things) -> None:
    assert read(things, "things", "id", "code", "name", "size", "paid", "share") == [
        ("9007199254740993", "00000000-0000-0000-0000-00000000abcd", "Ä:b", "large", "true", "0.1"),
        ("-1", "", "", "", "false", ""),
        ("2", "", "", "small", "", ""),
    ]


def test_numbers_keep_every_digit_and_days_that_are_none_are_single_values(things) -> None:
    assert read(things, "things", "seen", "at", "at_zone", "price") == [
        ("2024-03-31", "2024-03-31 02:30:00.5", "2024-03-31 00:30:00+00", "1234567.890"),
        ("", "", "", ""),
        ("infinity", "0044-03-15 00:00:00 BC", "-infinity", "NaN"),
    ]


@pytest.mark.parametrize("column", ["tags", "info"])
def test_a_column_of_no_single_values_is_refused_by_its_name(things, column: str) -> None:
    with pytest.raises(InputError, match=f"column '{column}' has type"):
        read(things, "things", column)


def test_a_table_of_another_schema_and_a_query_with_colons_are_read(address) -> None:
    with psycopg.connect(address) as connection:
        connection.execute('CREATE SCHEMA shop; CREATE TABLE shop."Orders" AS SELECT 7 AS "Id"')
    source = open_source("sql", database=address)
    assert read(source, "shop.Orders", "Id") == [("7",)]
    assert read(source, "SELECT '1:2'::text AS id", "id") == [("1:2",)]


def test_a_query_cannot_change_the_database(things) -> None:
    with pytest.raises(InputError, match="read-only"):
        read(things, "SELECT nextval('numbers') AS id", "id")


def test_days_are_those_of_the_described_zone(tmp_path, address) -> None:
    with psycopg.connect(address) as connection:
        connection.execute(
            "SET TimeZone TO 'Asia/Tokyo'; CREATE TABLE teams (team TEXT, paid TIMESTAMPTZ);"
            "INSERT INTO teams VALUES ('a', '2024-03-02 23:30:00+00'), ('b', NULL);"
            "CREATE TABLE log (team TEXT, day TIMESTAMPTZ, visits INT);"
            "INSERT INTO log VALUES ('a', '2024-02-29 23:00:00+00', 2), ('b', '2024-03-01 23:00:00+00', 3)"
        )
    description = {
        "tables": {"teams": {"kind": "entities", "id": "team", "converted_on": "paid"}, "log": VISITS},
        "time_zone": "Europe/Berlin",
    }
    files = {"teams": "teams", "log": "log"}
    snapshot, _ = ingested(tmp_path, description, files, source="sql", database=address)
    assert told(snapshot) == [("a", "2024-03-01", 2), ("b", "2024-03-02", 3)]
    assert snapshot.closed.tolist() == [day("2024-03-03"), NEVER_CLOSED]


def test_a_table_that_no_memory_holds_is_read_batch_by_batch(address) -> None:
    source = open_source("sql", database=address)
    query = "SELECT generate_series(1, 2000000000) AS id"
    with closing(source.open("t", query, {"id": "id"})) as raw:
        lines = np.concatenate([part().lines for part in islice(raw.parts, 2)])
    np.testing.assert_array_equal(lines, np.arange(1, 2 * 65_536 + 1))


def test_a_connection_that_is_lost_midway_is_one_line_and_leaves_no_snapshot(tmp_path, address) -> None:
    with psycopg.connect(address) as connection:
        connection.execute(
            "CREATE TABLE some_teams AS "
            "SELECT n::text AS team, NULL::date AS paid FROM generate_series(1, 9) AS n;"
            "INSERT INTO some_teams VALUES ('0', '2024-03-02');"
            # ends its own connection after some rows, as a server that goes down does
            "CREATE FUNCTION lost(n INT) RETURNS INT LANGUAGE sql VOLATILE AS "
            "'SELECT CASE WHEN n = 150000 THEN pg_terminate_backend(pg_backend_pid())::int ELSE n END'"
        )
    log = (
        "SELECT (n % 10)::text AS team, DATE '2024-03-01' + n / 10000 AS day, lost(n) AS visits "
        "FROM generate_series(1, 200000) AS n"
    )
    description = {
        "tables": {"some_teams": {"kind": "entities", "id": "team", "converted_on": "paid"}, "log": VISITS}
    }
    with pytest.raises(LostConnectionError, match="the connection was lost after 131,072 rows") as caught:
        ingested(
            tmp_path, description, {"some_teams": "some_teams", "log": log}, source="sql", database=address
        )
    assert caught.value.hint == "nothing was stored: run the same command again"
    assert "\n" not in caught.value.message
    assert not [one for one in (tmp_path / "artifacts").rglob("*") if one.is_file()]
