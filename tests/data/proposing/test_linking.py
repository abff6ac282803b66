"""How tables lead to entities, by values and by names."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.proposing.answers import Answers, Asker
from ml_sys.data.proposing.linking import link
from ml_sys.errors import InputError
from tests.data.proposing.small import seen

PEOPLE = [[at, f"town {at % 3}"] for at in range(40)]


def linked(tables, asker=None, **answers):
    """Link tables, given by name as header and rows."""
    with duckdb.connect() as connection:
        looked = [seen(connection, name, header, rows) for name, (header, rows) in tables.items()]
        return link(connection, looked, Answers(**answers), asker or Asker())


def log(share, n=40, first=0):
    """Rows of ids of which a share are those of people, each twice."""
    known = round(share * n)
    return [[(at if at < known else 1000 + at) + first, "x"] for at in range(n) for _ in range(2)]


@pytest.mark.parametrize(("share", "leads"), [(0.3, True), (0.25, False), (1.0, True)])
def test_a_table_leads_to_entities_where_three_in_ten_of_its_ids_are_theirs(share, leads):
    found = linked({"users": ("user_id town", PEOPLE), "log": ("user_id kind", log(share))})
    assert found.entities == ("users",)
    assert found.ids == {"users": "user_id", **({"log": "user_id"} if leads else {})}
    assert found.known == ({"log": pytest.approx(share)} if leads else {})


def test_names_that_speak_against_each_other_ask_for_more_of_the_values():
    tables = {"users": ("user_id town", PEOPLE), "log": ("account_id kind", log(0.65))}
    assert linked(tables).ids["log"] == "account_id"  # .65 of the values at .4
    tables["log"] = ("account_id kind", log(0.6))
    assert "log" not in linked(tables).ids


def test_an_identifier_without_a_name_leads_to_entities_by_more_than_half_its_values():
    tables = {"users": ("user_id town", PEOPLE), "log": ("id kind", log(0.6))}
    assert linked(tables).ids["log"] == "id"
    tables["log"] = ("id kind", log(0.45))
    assert "log" not in linked(tables).ids


def test_the_same_numbers_do_not_make_the_same_entities_of_what_is_called_otherwise():
    shops = [[at, f"street {at % 3}"] for at in range(40)]
    rows = [[at, at, "x"] for at in range(40) for _ in range(2)]
    tables = {
        "users": ("user_id town", PEOPLE),
        "widgets": ("widget_id street", shops),
        "log": ("user_id widget_id kind", rows),
    }
    with pytest.raises(InputError, match="Which table has one row for each account that may pay"):
        linked(tables)


def test_of_two_columns_the_one_that_leads_better_counts():
    rows = [[at, 39 - at % 20, "x"] for at in range(40) for _ in range(2)]
    found = linked({"users": ("user_id town", PEOPLE), "log": ("owner_id user_id kind", rows)})
    assert found.ids["log"] == "user_id"


def test_a_table_with_one_row_for_each_holds_more_of_the_same_entities_unless_it_is_of_purchases():
    more = [[at, at % 7] for at in range(40)]
    found = linked(
        {
            "users": ("user_id town", PEOPLE),
            "profiles": ("user_id size", more),
            "log": ("user_id kind", log(1)),
        }
    )
    assert found.entities[:1] in {("users",), ("profiles",)}
    assert set(found.entities) == {"users", "profiles"}
    bought = [[at, "2024-01-01"] for at in range(40)]
    found = linked(
        {
            "users": ("user_id town", PEOPLE),
            "orders": ("user_id day", bought),
            "log": ("user_id kind", log(1)),
        },
        entity="users",
    )
    assert found.entities == ("users",)


def test_customers_and_others_with_ids_of_their_own_are_entities_together():
    first, second = PEOPLE[:20], [[at, town] for at, town in PEOPLE[20:]]
    tables = {"customers": ("id town", first), "others": ("id town", second), "log": ("id kind", log(1))}
    assert linked(tables).entities == ("customers", "others")
    overlap = {**tables, "others": ("id town", PEOPLE[17:37])}  # three in twenty are in both
    assert linked(overlap, entity="others").entities == ("others",)
    nobody = {**tables, "log": ("id kind", log(1, n=20))}  # no third table knows both
    assert linked(nobody, entity="customers").entities == ("customers",)
    apart = {**tables, "others": ("id colour size", [[*one, 1] for one in second])}  # no column in common
    assert linked(apart, entity="customers").entities[0] == "customers"


def test_users_lead_to_entities_through_the_table_that_knows_both():
    members = [[f"u{at}", at % 20] for at in range(40)]
    teams = [[at, f"town {at % 3}"] for at in range(20)]
    events = [[f"u{at % 40}", "x"] for at in range(100)]
    found = linked(
        {
            "teams": ("team_id town", teams),
            "members": ("user_id team_id", members),
            "log": ("user_id kind", events),
        },
        entity="teams",
    )
    assert found.entities == ("teams",)
    assert found.ids == {"teams": "team_id", "members": "team_id"}
    assert found.through == {"log": ("user_id", "members")}
    assert found.link_users == {"members": "user_id"}
    assert found.known == {"members": 1.0, "log": 1.0}


def test_ids_that_are_written_otherwise_are_brought_together_where_values_are_missed_as_they_are():
    padded = [[f"{one:04d}" if one < 20 else one, kind] for one, kind in log(1)]
    found = linked({"users": ("user_id town", PEOPLE), "log": ("user_id kind", padded)})
    assert found.differ == {"log"}
    assert linked({"users": ("user_id town", PEOPLE), "log": ("user_id kind", log(1))}).differ == frozenset()
    both = {
        "users": ("user_id town", [[f"{at:04d}", town] for at, town in PEOPLE]),
        "log": ("user_id kind", [[f"{one:04d}", kind] for one, kind in log(1)]),
    }
    assert linked(both).differ == frozenset()  # all are written in the same other way


def test_an_answer_chooses_the_table_of_entities_and_one_that_has_none_is_refused():
    tables = {"users": ("user_id town", PEOPLE), "log": ("user_id kind", log(1))}
    assert linked(tables, entity="USERS").entities == ("users",)
    with pytest.raises(InputError, match="--entity log: not a table with a unique id in every row") as caught:
        linked(tables, entity="log")
    assert caught.value.hint == "the tables are users, log"


def test_two_that_lead_as_well_are_asked_about():
    shops = [[f"s{at}", f"street {at % 3}"] for at in range(40)]
    rows = [[at, f"s{at}", "x"] for at in range(40) for _ in range(2)]
    tables = {
        "users": ("user_id town", PEOPLE),
        "shops": ("shop_id street", shops),
        "log": ("user_id shop_id kind", rows),
    }
    with pytest.raises(InputError, match="Which table has one row for each account that may pay") as caught:
        linked(tables)
    assert caught.value.hint == "answer with --entity users|shops"
    assert linked(tables, Asker(lambda _, among: among[1])).entities == ("shops",)
    assert linked(tables, entity="shops").entities == ("shops",)
    bought = {**tables, "orders": ("shop_id day", [[f"s{at % 9}", "2024-01-01"] for at in range(30)])}
    assert linked(bought).entities == ("shops",)  # what says who paid leads there


def test_without_entities_the_identifier_that_most_tables_share_counts():
    rows = log(1)
    tables = {
        "a": ("user_id kind", rows),
        "b": ("user_id page_key", [[one, f"p{one % 3}"] for one, _ in rows]),
    }
    found = linked(tables)
    assert (found.entities, found.ids) == ((), {"a": "user_id", "b": "user_id"})
    assert found.known == {"a": 1.0, "b": 1.0}
    one = {"a": ("user_id page_key", [[at, f"p{at % 3}"] for at, _ in rows])}
    assert linked(one).ids == {"a": "user_id"}  # what entities are called
    either = {"a": ("widget_key page_key", [[at, f"p{at % 3}"] for at, _ in rows])}
    with pytest.raises(
        InputError, match="which column identifies the accounts that may pay: widget_key, page_key"
    ):
        linked(either)
    assert linked(either, id="page_key").ids == {"a": "page_key"}


def test_without_an_identifier_one_is_asked_for():
    with pytest.raises(InputError, match="no column looks like an identifier"):
        linked({"a": ("colour", [["red"], ["red"], ["blue"]])})
