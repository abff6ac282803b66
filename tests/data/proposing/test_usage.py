"""Usage tables that are called alike, or say too little."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from ml_sys.data.judging.parts import gather
from ml_sys.data.proposing.usage import _is_thin, _name_apart
from tests.data.judging.rows import entities, usage
from tests.data.proposing.small import column, draft, looked


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
    assert said.startswith("reaches 1 of 40 before they convert" if is_thin else "")
