"""Which columns may identify something, and how well their names and values agree."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.looking.columns import words_of
from ml_sys.data.proposing.answers import Answers
from ml_sys.data.proposing.identifiers import Identifiers, by_email, lost_digits, nouns, singular
from ml_sys.errors import InputError
from tests.data.proposing.small import column, looked, seen


def test_ids_that_a_spreadsheet_rounded_are_named():
    with duckdb.connect() as connection:
        rows = [("1.00E+12", "1E+3", "7"), ("1.02E+12", "5", "8")]
        table = seen(connection, "orders", "account_no weight user_id", rows)
        assert lost_digits(connection, [table]) == [
            "orders.account_no: ids such as 1.00E+12 have lost their last digits; export them as text"
        ]


@pytest.mark.parametrize(
    ("word", "one"),
    [
        ("companies", "company"), ("ties", "tie"), ("classes", "class"), ("boxes", "box"),
        ("batches", "batch"), ("wishes", "wish"), ("users", "user"), ("status", "status"), ("basis", "basis"),
        ("class", "class"), ("gas", "gas"), ("kunden", "kunde"), ("geräte", "gerät"),
        ("privatkunden", "privatkunde"), ("team", "team"), ("people", "person"),
    ],
)  # fmt: skip
def test_a_word_without_its_plural(word, one):
    assert singular(word) == one


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("user_id", {"user"}),
        ("USERS_KEY", {"user"}),
        ("id", set()),
        ("uuid", set()),
        ("userid", {"user"}),
        ("USERID", {"user"}),
        ("teamuuid", {"team"}),
        ("paid", {"paid"}),  # two letters are no name
        ("user_team_id", {"user", "team"}),
        ("user_grid", {"user", "grid"}),
        ("team", {"team"}),
    ],
)
def test_an_identifier_is_of_what_its_name_says(name, of):
    assert nouns(name, words_of(name)) == of


def made(*tables, **answers):
    """Compare columns of which no values are looked at."""
    connection = duckdb.connect()
    for one in tables:
        listed = ", ".join(f'"{name}" VARCHAR' for name in one.columns)
        connection.execute(f'CREATE TABLE "{one.name}" ({listed})')
    with connection:
        return Identifiers(connection, tables, Answers(**answers))


U = {"distinct": 100}  # a value of its own in every row


@pytest.mark.parametrize(
    ("one", "may"),
    [
        (column("team_id"), True),
        (column("Userid"), True),
        (column("user"), True),
        (column("users"), True),
        (column("device_serial"), True),
        (column("user_age"), False),  # two words, none of which says that it identifies
        (column("colour"), False),
        (column("colour", **U), True),
        (column("team_id", "number"), False),
        (column("team_id", "date"), False),
        (column("team_id", "whole"), True),
        (column("id", filled=0, distinct=0), False),
        (column("id", is_flag=True), False),
        (column("id", is_range=True), False),
        (column("email_id", personal="an e-mail address"), False),
        (column("email_id", personal="an e-mail address", **U), True),
        (column("email", personal="an e-mail address", **U), False),
        (column("name_id", personal="a name", **U), False),
    ],
)
def test_a_column_may_identify_by_its_name_or_by_its_values(one, may):
    assert list(made(looked("t", one)).tables) == ([("t", one.name)] if may else [])


def test_without_a_header_twenty_different_values_may_identify():
    twenty, fewer = column("column1", distinct=20), column("column2", distinct=19)
    assert list(made(looked("t", twenty, fewer, has_header=False)).tables) == [("t", "column1")]
    assert not made(looked("t", twenty)).tables


def test_what_identifies_in_one_table_leads_to_it_from_others():
    here, there = looked("t", column("Handle", **U)), looked("log", column("handle", distinct=3))
    assert list(made(here, there).tables) == [("t", "Handle"), ("log", "handle")]
    assert list(made(there, here).tables) == [("t", "Handle"), ("log", "handle")]
    loud = looked("log", column("HANDLE", distinct=3))
    assert list(made(here, loud).tables) == [("t", "Handle"), ("log", "HANDLE")]
    blind = looked("log", column("handle", distinct=3), has_header=False)
    assert list(made(here, blind).tables) == [("t", "Handle")]
    assert list(made(here, looked("log", column("handle", "number"))).tables) == [("t", "Handle")]


def test_an_answer_makes_any_column_an_identifier_and_one_that_names_none_is_refused():
    table = looked("t", column("colour"), column("id"))
    assert list(made(table, id="t.colour").tables) == [("t", "colour"), ("t", "id")]
    with pytest.raises(InputError, match="--id shape: no table has this column") as caught:
        made(table, id="shape")
    assert caught.value.hint == "possible identifiers are t.id"


@pytest.mark.parametrize(
    ("of", "among", "share"),
    [
        (("orders", "user_id"), ("users", "user_id"), 1.0),
        (("orders", "USER_ID"), ("users", "user_id"), 1.0),
        (("orders", "user_id"), ("users", "users_key"), 0.95),
        (("orders", "user_id"), ("users", "id"), 0.95),  # the table says of whom
        (("orders", "id"), ("users", "id"), 0.7),
        (("orders", "id"), ("users", "user_id"), 0.5),
        (("orders", "user_id"), ("list", "account_id"), 0.4),
        (("orders", "user_id"), ("teams", "id"), 0.4),
        (("orders", "user_id"), ("things", "id"), 0.2),
        (("orders", "widget_id"), ("users", "account_id"), 0.2),
        (("orders", "user_id"), ("users", "widget_id"), 0.2),
    ],
)
def test_names_of_identifiers_agree_more_or_less(of, among, share):
    found = made(looked(of[0], column(of[1])), looked(among[0], column(among[1])))
    assert found.agreement(of, among) == share


def test_an_answer_agrees_with_all_and_names_of_a_file_without_a_header_with_none():
    tables = looked("orders", column("widget_id")), looked("users", column("user_id"))
    found = made(*tables, id="orders.widget_id")
    assert found.agreement(("orders", "widget_id"), ("users", "user_id")) == 1
    assert found.agreement(("users", "user_id"), ("orders", "widget_id")) == 0.2
    blind = looked("users", column("user_id"), has_header=False)
    found = made(looked("orders", column("widget_id")), blind)
    assert found.agreement(("orders", "widget_id"), ("users", "user_id")) == 0.5
    assert found.agreement(("users", "user_id"), ("orders", "widget_id")) == 0.5


def test_the_share_is_of_the_different_values_of_the_first_column():
    with duckdb.connect() as connection:
        few = seen(connection, "few", "id", [["1"], ["1"], ["1.0"], ["002"], [None]])
        many = seen(connection, "many", "id", [[at] for at in range(8)])
        found = Identifiers(connection, [few, many], Answers())
        assert found.shared(("few", "id"), ("many", "id")) == 1
        assert found.shared(("many", "id"), ("few", "id")) == 2 / 8


def test_addresses_that_lead_from_table_to_table_are_named_with_the_flag_that_takes_them():
    mail = column("email", personal="an e-mail address")
    tables = [
        looked("users", mail, column("country")),
        looked("events", mail),
        looked("orders", column("email")),
    ]
    (said,) = by_email(tables)
    assert said.startswith("email of users, events is an e-mail address; ")
    assert said.endswith("give --id email")
    assert by_email([looked("users", mail), looked("orders", column("contact", personal="a name"))]) == []
