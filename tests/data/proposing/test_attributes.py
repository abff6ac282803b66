"""Which columns of entity tables are attributes, and of what kind."""

from __future__ import annotations

import duckdb
import pytest

from ml_sys.data.judging.parts import gather
from ml_sys.data.proposing.attributes import _kind, _number, _owner, _unfit, candidates, describe, part
from tests.data.proposing.small import column, day, draft, looked, seen


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (column("mail", personal="an e-mail address"), "personal: an e-mail address"),
        (column("x", filled=0, distinct=0), "has no values"),
        (day("seen"), "a date"),
        (column("x", distinct=1), "has the same value in every row"),
        (column("x", filled=99, distinct=1), ""),  # there or blank
        (column("x", distinct=1_000, rows=10_000, filled=10_000), ""),
        (column("x", distinct=1_001, rows=10_000, filled=10_000), "text with 1,001 different values"),
        (column("x", distinct=51), "text with 51 different values"),
        (column("x", distinct=50), ""),
        (column("x", filled=22, distinct=12, rows=22), "text with 12 different values"),
        (column("x", filled=22, distinct=11, rows=22), ""),
        (column("x", filled=20, distinct=20, rows=20), ""),  # too few to say
        (column("x", "number", distinct=100), ""),
        (column("x", "whole", distinct=100, low=1, high=100), "an identifier"),
        (column("x", "whole", distinct=100, low=1, high=900), ""),
        (column("plan_id", "whole", distinct=5), "an identifier"),
        (column("planid", "whole", distinct=5), "an identifier"),
        (column("plan_id", distinct=5), ""),
    ],
)
def test_why_a_column_is_no_attribute(one, reason):
    found = _unfit(one)
    assert found.startswith(reason) if reason else found == ""


def test_columns_that_have_no_role_are_candidates_and_called_by_a_name():
    base = looked(
        "users", column("id"), day("since"), column("2nd Country"), column("n", filled=0, distinct=0)
    )
    made = draft("entities", base, id="id", since="since")
    assert [(one.where, one.reason) for one in candidates([made])] == [("users.n", "has no values")]
    (name,) = made.attributes
    assert made.attributes[name] == {"column": "2nd Country"}


def test_a_column_of_several_tables_is_judged_where_it_is_fullest():
    few, many = column("size", filled=0, distinct=0), column("Size", filled=90, distinct=7)
    for order in ((few, many), (many, few)):
        drafts = [draft("entities", looked(f"t{at}", one)) for at, one in enumerate(order)]
        assert candidates(drafts) == []
        assert [list(one.attributes) for one in drafts] == [["size"], ["size"]]


def test_numbers_of_an_entity_table_are_judged_as_numbers():
    columns = column("a", "whole"), column("b", "number"), column("c")
    made = draft("entities", looked("users", column("id"), *columns), id="id")
    candidates([made])
    assert part(made).numbers == {"a", "b"}
    assert part(made).columns == {"a": '"a"', "b": '"b"', "c": '"c"'}


def kind(header, values, name="x"):
    with duckdb.connect() as connection:
        table = seen(connection, "t", header, [[one] for one in values])
        return _kind(connection, [draft("entities", table)], table.columns[name])


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("x", ["0", "1", "1"], "flag"),
        ("x", ["1.5", "2"], "number"),
        ("x", ["1", "2", "3"], "number"),
        ("country_code", ["1", "2", "3"], "category"),  # numbers that stand for something else
        ("x", ["1-10", "11-50"], "range"),
        ("x", ["Gold", "silver", None], "ordered"),
        ("x", ["gold", "gold"], "category"),
        ("x", ["high", "low", "medium"], "ordered"),
        ("x", ["gold", "silver", "tin"], "category"),
        ("x", ["low", "large"], "category"),  # of two ladders
    ],
)
def test_the_kind_of_an_attribute_follows_its_values(name, values, found):
    assert kind(name, values, name)[0] == found


def test_levels_have_their_order_and_their_own_spelling():
    assert kind("x", ["LARGE", "Small"])[2] == {"levels": ["tiny", "Small", "medium", "LARGE", "huge"]}


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("company_size", ("employee", "employees")),
        ("age_band", ("year", "years")),
        ("seats_range", ("seat", "seats")),
        ("size_of_team", ("team", "teams")),
    ],
)
def test_a_range_is_of_the_first_word_that_is_no_range(name, unit):
    assert kind(name, ["1-10", "11-50"], name)[2] == {"unit": {"one": unit[0], "many": unit[1]}}


def test_a_range_that_is_called_just_so_has_no_unit():
    assert kind("size_range", ["1-10", "11-50"], "size_range")[2] == {}


def number(values):
    with duckdb.connect() as connection:
        table = seen(connection, "t", "v", [[one] for one in values])
        return _number(connection, f"SELECT v FROM {table.table.view}")[2]  # noqa: S608 - the test's own


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([*range(1, 96), *[999] * 5], {"none": 999}),
        ([*range(1, 97), *[999] * 4], {}),  # not five times as often as any other
        ([*range(1, 95), *[999] * 6, 1000], {}),  # not at the end
        ([*range(96), *[-1] * 5], {"none": -1}),
        ([*range(1, 96), *[0] * 5], {}),  # none of something is a number of it
        ([*range(-5, 90), *[-9] * 5], {}),
        ([*range(1, 301), *[999] * 5], {}),  # fewer than one in fifty
        ([*range(1, 96), *[-0.5] * 5], {"none": -0.5}),
        ([*range(2, 96), *["inf"] * 50, "x", None], {}),
        ([7] * 9, {}),
    ],
)
def test_a_number_that_stands_often_at_the_end_means_none(values, found):
    assert {name: value for name, value in number(values).items() if name == "none"} == found


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ([5] * 80 + [506] * 20, True),
        ([5] * 80 + [500] * 20, False),
        ([0] * 80 + [101] * 20, True),  # beside numbers below one
        ([0] * 80 + [100] * 20, False),
        ([-1, 0] * 40 + [5000] * 20, False),
        ([5] * 995 + [5000] * 5, False),  # but for one in a hundred
        ([1, 2, 3, 4, 5] * 16 + [9999] * 120, False),  # what means none does not count
        ([], False),
    ],
)
def test_numbers_over_orders_of_magnitude_are_of_a_log_scale(values, is_log):
    assert (number(values).get("scale") == "log") == is_log


def test_why_a_number_is_described_so_is_said_in_one_line():
    with duckdb.connect() as connection:
        table = seen(connection, "t", "v", [[one] for one in [*[5] * 79, *[800] * 3, *[999_999] * 400]])
        reason = _number(connection, f"SELECT v FROM {table.table.view}")[1]  # noqa: S608 - the test's own
    assert (
        reason == "a number; 999999 is its extreme value, 400 times, so it is read as none; "
        "spans orders of magnitude"
    )


def test_words_that_say_whose_an_attribute_is_are_those_of_the_identifier():
    base = looked("t", column("student_id"), column("student_country"))
    assert _owner(draft("entities", base, id="student_id")) == {"student"}


PEOPLE, PAYING = 200, 20


def described(header, rows, *more):
    """Describe the columns of a table of people, of whom the first twenty paid, and of further tables."""
    with duckdb.connect() as connection:
        days = ["2024-03-01" if at < PAYING else None for at in range(PEOPLE)]
        every = [[at, day, *rest] for at, (day, rest) in enumerate(zip(days, rows, strict=True))]
        tables = [seen(connection, "folk", f"person_id paid {header}", every)]
        tables += [seen(connection, f"more{at}", *one) for at, one in enumerate(more)]
        drafts = [draft("entities", tables[0], id="person_id", converted_on="paid")]
        drafts += [draft("entities", one, id="person_id") for one in tables[1:]]
        left = candidates(drafts)
        parts = [part(one) for one in drafts]
        attributes, why, leaks = describe(connection, drafts, parts, gather(connection, parts))
        return attributes, why, {one.where: one.reason for one in [*left, *leaks]}


def test_attributes_are_described_by_their_kind_and_called_without_whose_they_are():
    rows = [[("AT", "BE")[at % 2], 5 + at % 9] for at in range(PEOPLE)]
    attributes, why, left = described("person_country seats", rows)
    assert attributes == {
        "person_country": {"kind": "category", "column": "person_country", "label": "country"},
        "seats": {"kind": "number", "column": "seats"},
    }
    assert why == {"person_country": "text with 2 different values", "seats": "a number"}
    assert left == {}


def test_a_column_that_tells_who_paid_is_left_out_with_its_reason():
    rows = [["pro" if at < PAYING else None, at % 7, at % 5] for at in range(PEOPLE)]
    attributes, _, left = described("plan size churned", rows)
    assert list(attributes) == ["size"]
    assert left["folk.plan"].startswith("filled for 100% of those that converted and 0.0%")
    assert left["folk.churned"] == "looks known only after paying: only who pays can leave"


def test_blanks_that_are_filled_in_later_are_said_to_leak_and_others_are_told():
    later = [[None if at >= PAYING and at % 2 else at % 7] for at in range(PEOPLE)]
    attributes, why, _ = described("size", later)
    assert attributes["size"]["blank_leaks"] is True
    assert why["size"] == (
        "a number; blank for 0.0% of those that converted and 50.0% of the others: blanks get filled in later"
    )
    always = [[None if at % 2 else at % 7] for at in range(PEOPLE)]
    attributes, why, _ = described("size", always)
    assert "blank_leaks" not in attributes["size"]
    assert why["size"] == "a number; blank for 50.0% of those that converted and 50.0% of the others"


def test_a_name_that_two_columns_come_to_is_that_of_the_first():
    rows = [[at % 7] for at in range(PEOPLE)]
    other = [[at, at % 6] for at in range(PEOPLE)]
    attributes, _, left = described("size", rows, ("person_id Size", other))
    assert attributes["size"]["column"] == "size"
    assert left == {"more0.Size": "another table calls it size"}
    same, _, left = described("size", rows, ("person_id size", other))
    assert (list(same), left) == (["size"], {})
