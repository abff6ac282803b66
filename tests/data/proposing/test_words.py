"""What entities, events and money are called, by the names of tables and columns."""

from __future__ import annotations

import pytest

from ml_sys.data.proposing.words import entity, events, words
from tests.data.proposing.small import column, draft, looked


def entities(table: str, ident: str, *, has_header: bool = True):
    return draft("entities", looked(table, column(ident), has_header=has_header), id=ident)


@pytest.mark.parametrize(
    ("table", "ident", "found"),
    [
        ("list", "workspace_id", ("workspace", "from the column workspace_id")),
        ("list", "userid", ("user", "from the column userid")),
        ("list", "student", ("student", "from the column student")),
        ("people", "$distinct_id", ("person", "from the table people")),
        ("list", "widget_code", ("widget", "from the column widget_code")),
        ("raw_companies_export", "id", ("company", "from the table raw_companies_export")),
        ("company_accounts", "id", ("account", "from the table company_accounts")),
        ("all_widgets", "id", ("widget", "from the table all_widgets")),
        ("widget_things", "id", ("account", "no table or column name is more specific")),
        ("list", "id", ("account", "no table or column name is more specific")),
        # Of a name that is of two things neither is chosen, and a word alone says nothing.
        ("list", "user_company_id", ("account", "no table or column name is more specific")),
        ("list", "widget", ("account", "no table or column name is more specific")),
    ],
)
def test_an_entity_is_called_by_its_identifier_or_else_by_its_table(table, ident, found):
    assert entity([entities(table, ident)]) == found


def test_names_that_were_made_for_a_file_without_a_header_say_nothing():
    assert entity([entities("list", "user_id", has_header=False)])[0] == "account"


def test_of_several_entity_tables_none_gives_its_name():
    assert entity([entities("users", "id"), entities("teams", "id")])[0] == "account"
    log = draft("events", looked("users", column("id")), id="id")
    assert entity([entities("teams", "id"), log]) == ("team", "from the table teams")


def test_the_first_table_with_a_telling_identifier_counts():
    assert entity([entities("a", "id"), entities("b", "team_id"), entities("c", "user_id")])[0] == "team"


def test_words_are_of_the_entity_its_people_and_its_money():
    bought = looked("bought", column("id"), column("net_value"), column("MRR"))
    told, why = words([entities("teams", "id"), draft("purchases", bought, id="id", value="net_value")])
    assert told == {"entity": {"one": "team", "many": "teams"}, "value": "net value"}
    assert why == "one team, several teams: from the table teams"
    told, _ = words([entities("users", "id"), draft("purchases", bought, id="id", value="MRR")])
    assert (told["user"], told["value"]) == ({"one": "person", "many": "people"}, "MRR")
    assert "value" not in words([entities("users", "id")])[0]


@pytest.mark.parametrize(
    ("columns", "user"),
    [
        (["member_id"], {"one": "member", "many": "members"}),
        (["device_serial", "serial"], {"one": "device", "many": "devices"}),
        (["user_id"], None),
        (["id"], None),
        (["member_id", "device_serial"], None),
    ],
)
def test_those_that_use_an_account_are_called_by_their_own_identifier(columns, user):
    drafts = [draft("events", looked(f"log{at}", column(one)), user=one) for at, one in enumerate(columns)]
    assert words([entities("teams", "id"), *drafts])[0].get("user") == user


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("app_sessions", ("session", "sessions")),
        ("page_views_log", ("view", "views")),
        ("event_data", ("event", "events")),
        ("logs", ("event", "events")),
        ("student_learning", ("event", "events")),
        ("companies", ("company", "companies")),
    ],
)
def test_an_event_is_called_by_the_last_word_of_its_table(table, found):
    assert events(draft("events", looked(table, column("id")), id="id")) == found
