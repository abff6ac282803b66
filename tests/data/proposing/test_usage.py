"""Usage tables that are called alike, or say too little."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from ml_sys.data.judging.parts import gather
from ml_sys.data.proposing.tables import Plan
from ml_sys.data.proposing.usage import _is_thin, _name_apart, judged
from tests.data.judging.rows import entities, usage
from tests.data.proposing.small import column, draft, looked, seen


def test_measures_that_are_called_alike_are_named_by_their_tables():
    made = [draft("events", looked(name, column("id"))) for name in ("calls", "visits")]
    made[0].measures = {"minutes": {"at": 1}, "cost": {"at": 2}}
    made[1].measures = {"minutes": {"at": 3}}
    _name_apart(made)
    assert made[0].measures == {"calls_minutes": {"at": 1}, "cost": {"at": 2}}
    assert made[1].measures == {"visits_minutes": {"at": 3}}


def test_a_name_that_two_share_is_sixty_letters_at_most():
    made = [draft("events", looked(name, column("id"))) for name in ("calls", "visits")]
    for one in made:
        one.measures = {"m" * 60: {}}
    _name_apart(made)
    assert [len(name) for one in made for name in one.measures] == [60, 60]


@pytest.mark.parametrize(("reached", "is_thin"), [(1, True), (2, False)])
def test_usage_says_too_little_where_it_reaches_less_than_a_twentieth_before_they_convert(reached, is_thin):
    people = [[str(at), "2024-02-01" if at < 9 else None, None] for at in range(40)]
    # Of four that were seen, one was seen on the day of its conversion only and one is not known.
    rows = [["0", "2024-02-01"], ["stranger", "2024-01-01"]]
    rows += [[str(at), str(dt.date(2024, 1, 31))] for at in range(1, 1 + reached)] * 3
    log = usage(rows)
    with duckdb.connect() as connection:
        known = gather(connection, [entities(people), log])
        said = _is_thin(connection, log, known)
    assert bool(said) is is_thin
    assert said.startswith("covers only 1 of 40 before they convert" if is_thin else "")


PEOPLE, PAYING = 200, 20


@pytest.fixture(scope="module")
def judged_world():
    """Two hundred entities, of which twenty bought on the first of March, and what they used of a product."""
    with duckdb.connect() as connection:
        users = seen(connection, "users", "id signed", [[at, "2024-01-01"] for at in range(PEOPLE)])
        orders = seen(connection, "orders", "id day", [[at, "2024-03-01"] for at in range(PAYING)])
        days = [f"2024-02-{1 + at:02d}" for at in range(4)]
        visits = [
            [ident, day, kind, 1 + (ident + at) % 7]
            for ident in range(PEOPLE)
            for at, day in enumerate(days)
            for kind in ("open", "upgrade_page")
        ]
        visits += [[at, "2024-03-01", "receipt", 1] for at in range(PAYING)]
        tables = {
            "visits": seen(connection, "visits", "id day kind cost", visits),
            "calls": seen(
                connection, "calls", "id day cost", [[at, days[0], at % 5] for at in range(PEOPLE)]
            ),
            "billing": seen(
                connection, "billing", "id day n", [[at, days[0], 1 + at % 3] for at in range(PAYING)]
            ),
            "rare": seen(connection, "rare", "id day n", [[at, days[0], at % 4] for at in range(100, 109)]),
            "notes": seen(connection, "notes", "id day", [[at, days[0]] for at in range(PEOPLE)]),
        }
        yield connection, users, orders, tables


def judge(world, **kinds):
    connection, users, orders, tables = world
    entity = draft("entities", users, id="id", since="signed")
    drafts = [entity, draft("purchases", orders, id="id", at="day")]
    drafts += [draft(kind, tables[name], id="id", at="day") for name, kind in kinds.items()]
    made = Plan(drafts)
    parts, known, left = judged(connection, made, [entity.part({})])
    return made, parts, known, {one.where: one.reason for one in left}


def test_usage_of_those_that_paid_alone_is_left_out_and_the_rest_is_described(judged_world):
    made, parts, known, left = judge(judged_world, visits="events", billing="events", calls="events")
    assert [one.name for one in made.drafts] == ["users", "orders", "visits", "calls"]
    assert left["billing"].startswith("looks known only after paying: ")
    assert (known.entities, known.converters, known.used) == (PEOPLE, PAYING, PEOPLE)
    assert [one.name for one in parts] == ["users", "orders", "visits", "calls"]
    visits, calls = made.of("events")
    assert visits.roles["event"] == "kind"
    assert set(visits.measures) == {"visits_cost"}
    assert set(calls.measures) == {"calls_cost"}  # named apart, as both have a cost
    assert (calls.why["one"], calls.why["many"]) == ("call", "calls")
    assert "one" not in visits.why  # its kinds have names of their own


def test_a_kind_of_those_that_paid_alone_is_taken_out_of_the_events(judged_world):
    made, parts, _, left = judge(judged_world, visits="events")
    (visits,) = made.of("events")
    assert visits.where == """("kind" IS NULL OR "kind" NOT IN ('receipt'))"""
    assert left["visits.kind = 'receipt'"].startswith("looks known only after paying: ")
    assert parts[-1].event == '"kind"'


def test_usage_that_reaches_few_goes_unless_nothing_else_is_left(judged_world):
    made, parts, known, left = judge(judged_world, calls="events", rare="events")
    assert [one.name for one in made.of("events")] == ["calls"]
    assert left == {"rare": "covers only 9 of 200 before they convert, too few to learn from"}
    assert [one.name for one in parts] == ["users", "orders", "calls"]
    assert known.used == PEOPLE
    alone, _, few, said = judge(judged_world, rare="events")
    assert ([one.name for one in alone.of("events")], few.used, said) == (["rare"], 9, {})


def test_periods_in_which_nothing_is_counted_are_left_out_and_events_are_not(judged_world):
    made, _, _, left = judge(judged_world, calls="events", notes="periods")
    assert left == {"notes": "it has nothing to count or add up"}
    assert [one.name for one in made.drafts] == ["users", "orders", "calls"]
    assert [one.name for one in judge(judged_world, calls="events", notes="events")[0].of("events")] == [
        "calls", "notes",
    ]  # fmt: skip


def test_a_link_stays_as_long_as_usage_leads_through_it(judged_world):
    connection, users, orders, tables = judged_world
    entity = draft("entities", users, id="id")
    base = seen(connection, "members", "person id", [[at, at] for at in range(PEOPLE)])
    for led in (True, False):
        link = draft("links", base, user="person", id="id")
        log = (
            draft("events", tables["calls"], user="id", at="day")
            if led
            else draft("events", tables["calls"], id="id", at="day")
        )
        log.link = link if led else None
        made = Plan([entity, draft("purchases", orders, id="id", at="day"), link, log])
        judged(connection, made, [entity.part({})])
        assert bool(made.of("links")) is led
