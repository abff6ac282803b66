"""What tables say together: who there is, who converted first when, and who used anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import duckdb
import pytest

from ml_sys.data.judging.parts import JudgedTable, JudgedTables, gather, key, through_link
from tests.data.judging.rows import entities, purchases, source, usage

PEOPLE = [
    ("a", "2024-01-05", "2024-01-01"),
    ("a", None, "2024-01-02"),
    ("b", "2024-01-02", "2024-01-02"),
    ("c", None, "2024-01-03"),
    ("d", None, None),
    (None, "2024-01-01", None),
]


def test_the_first_day_of_each_counts_whichever_table_says_it() -> None:
    with duckdb.connect() as connection:
        parts = [
            entities(PEOPLE),
            purchases([("a", "2024-01-03"), ("a", "2024-01-07"), ("e", "2024-01-09")]),
            usage(
                [("a", "2024-01-02"), ("a", "2024-01-04 23:00"), ("z", "2024-01-01"), (None, "2024-01-01")]
            ),
        ]
        assert gather(connection, parts) == JudgedTables(entities=5, converters=3, first_day=1, used=1)
        people = connection.execute("SELECT id, day, since FROM people ORDER BY id").fetchall()
        assert people == [
            ("a", date(2024, 1, 3), date(2024, 1, 1)),
            ("b", date(2024, 1, 2), date(2024, 1, 2)),
            ("c", None, date(2024, 1, 3)),
            ("d", None, None),
            ("e", date(2024, 1, 9), None),
        ]
        used = connection.execute("SELECT id, rows, first, last FROM used ORDER BY id").fetchall()
        assert used[0] == ("a", 2, date(2024, 1, 2), date(2024, 1, 4))
        judged = connection.execute("SELECT id, rows FROM judged ORDER BY id").fetchall()
        assert judged == [("a", 2), ("b", None), ("c", None), ("d", None), ("e", None)]


def test_without_a_table_of_entities_those_that_did_something_are_the_entities() -> None:
    with duckdb.connect() as connection:
        parts = [purchases([("a", "2024-01-03")]), usage([("a", "2024-01-02"), ("z", "2024-01-01")])]
        assert gather(connection, parts) == JudgedTables(entities=2, converters=1, first_day=0, used=2)
        known = gather(connection, [*parts, entities([("a", None, None)])])
        assert known == JudgedTables(entities=1, converters=1, first_day=0, used=1)


def test_the_rate_is_of_all_entities_and_of_none_it_is_zero() -> None:
    assert JudgedTables(8, 2, 0, 0).rate == 0.25
    assert JudgedTables(0, 0, 0, 0).rate == 0


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1001", "1001"), ("01001", "1001"), ("1001.0", "1001"), ("1001.00", "1001"), ("0", "0"),
        ("000", "0"),
        ("0.0", "0"), ("-5.0", "-5"), ("10.50", "10.50"), ("0x", "0x"), ("a0", "a0"), ("100", "100"),
        ("007b", "7b"),
    ],
)  # fmt: skip
def test_identifiers_of_one_number_are_one(text: str, same: str) -> None:
    with duckdb.connect() as connection:
        sql = f"SELECT {key('id')} FROM {source('id', [(text,)])}"  # noqa: S608 - the test's own
        found = connection.execute(sql).fetchone()
    assert found == (same,)


def test_a_link_leads_the_events_of_a_user_to_its_entity_and_those_of_others_nowhere() -> None:
    events, links = (
        source("who what", [("u1", "x"), ("01", "y"), ("u9", "z")]),
        source("member team", [("u1", "t1"), ("1", "002.0")]),
    )
    led = through_link(events, "who", links, "member", "team")
    sql = f"SELECT what, _entity FROM {led} ORDER BY what"  # noqa: S608 - the test's own
    with duckdb.connect() as connection:
        found = connection.execute(sql).fetchall()
    assert found == [("x", "t1"), ("y", "2")]


def amounts_of(parts: list[JudgedTable]) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        gather(connection, parts)
        found = connection.execute("SELECT id, measure, total FROM amounts ORDER BY ALL").fetchall()
        used = connection.execute("SELECT id, rows FROM used ORDER BY ALL").fetchall()
        return [*used, *found]


def test_amounts_are_added_up_by_entity_and_measure_of_each_table_of_usage() -> None:
    day = "2024-01-02"
    minutes = usage(
        [("a", day, "2.5"), ("b", day, "x"), ("a", day, "-1"), ("b", day, None)], measure="minutes"
    )
    clicks = replace(usage([("b", day, "3")], measure="clicks"), name="web")
    assert amounts_of([entities([("a", None, None)]), minutes, clicks]) == [
        ("a", 2), ("b", 3), ("a", "log.minutes", 1.5), ("b", "log.minutes", None), ("b", "web.clicks", 3.0),
    ]  # fmt: skip
    assert amounts_of([entities([("a", None, None)])]) == []
    assert amounts_of([entities([("a", None, None)]), usage([("a", day)])]) == [("a", 1)]


def test_the_first_eight_measures_by_name_are_added_up_and_only_numbers() -> None:
    names = [f"m{at}" for at in range(9)]
    row = ("a", "2024-01-02", *(str(at) for at in range(9)))
    table = JudgedTable(
        "log", "usage", source(" ".join(["id", "day", *names]), [row]), "id", "day",
        columns={one: one for one in names}, numbers=frozenset(names) - {"m3"},
    )  # fmt: skip
    found = amounts_of([entities([("a", None, None)]), table])
    assert found == [("a", 1), *(("a", f"log.m{at}", float(at)) for at in (0, 1, 2, 4, 5, 6, 7, 8))]
    assert amounts_of([entities([]), replace(table, numbers=frozenset(names))])[1:] == [
        ("a", f"log.m{at}", float(at)) for at in range(8)
    ]


def test_without_any_table_of_people_or_usage_nobody_is_known() -> None:
    with duckdb.connect() as connection:
        assert gather(connection, [entities([])]) == JudgedTables(0, 0, 0, 0)
