"""Tables that know entities by another identifier than their own."""

from __future__ import annotations

import duckdb

from ml_sys.data.proposing.joining import with_identifier
from tests.data.proposing.small import seen


def test_every_row_gets_the_entity_that_another_table_knows_and_none_where_it_knows_none():
    with duckdb.connect() as connection:
        bills = seen(connection, "bills", "id customer", [("1", "c1"), ("2", "02"), ("3", "c9"), ("4", None)])
        people = seen(connection, "people", "id service", [("a", "c1"), ("b", "2"), ("c", None)])
        found = with_identifier(connection, bills, "customer", people, ("service", "id"))
        assert list(found.columns) == ["id", "customer", "people_id"]
        column = found.columns["people_id"]
        assert (column.filled, column.distinct, column.rows, found.table.is_plain) == (2, 2, 4, False)
        asked = f"SELECT id, people_id FROM {found.table.view} ORDER BY id"  # noqa: S608 - the test's own
        assert connection.execute(asked).fetchall() == [("1", "a"), ("2", "b"), ("3", None), ("4", None)]


def test_an_identifier_keeps_its_name_where_the_table_has_none_of_it():
    with duckdb.connect() as connection:
        bills = seen(connection, "bills", "id customer", [("1", "c1")])
        people = seen(connection, "people", "user_id service", [("a", "c1"), ("a", "c1")])
        found = with_identifier(connection, bills, "customer", people, ("service", "user_id"))
        assert (list(found.table.columns)[-1], found.columns["user_id"].filled) == ("user_id", 1)
