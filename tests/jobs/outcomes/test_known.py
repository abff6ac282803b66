"""What a file of those that converted knows, by the description."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.company_index import CompanyIndex
from ml_sys.errors import EmptyTableError, InputError
from ml_sys.jobs.outcomes.known import Conversions, _money, calls_made, of_customers
from ml_sys.settings import Settings
from tests.data.described import VISITS, day

TEAMS = {"kind": "entities", "id": "team", "converted_on": "paid"}
BOUGHT = {"kind": "purchases", "id": "account", "at": "at", "value": "euros", "dates": "day-first"}


def settings_of(**tables):
    return Settings.model_validate({"schema": {"tables": {"seen": VISITS, **tables}}})


def test_a_file_of_purchases_names_the_first_of_each(tmp_path):
    path = tmp_path / "bought.csv"
    path.write_text("account,at,euros\na,05.03.2024,7\na,02.03.2024 10:00,5\nb,03.03.2024,\n")
    found = of_customers(path, settings_of(bought=BOUGHT), None)
    assert found.index.ids.to_pylist() == ["a", "b"]
    assert found.closed.tolist() == [day("2024-03-02"), day("2024-03-03")]
    assert found.money.tolist() == [5, 5]
    assert found.as_of == day("2024-03-03")


def test_of_a_table_of_all_entities_those_with_a_day_converted(tmp_path):
    path = tmp_path / "teams.csv"
    path.write_text("team,paid\na,\nb,2024-03-02\n")
    found = of_customers(path, settings_of(teams=TEAMS), day("2024-03-09"))
    assert (found.index.ids.to_pylist(), found.closed.tolist()) == (["b"], [day("2024-03-02")])
    path.write_text("team,paid\na,\n")
    with pytest.raises(EmptyTableError):
        of_customers(path, settings_of(teams=TEAMS), None)


def test_entities_without_a_day_of_conversion_leave_that_to_purchases(tmp_path):
    path = tmp_path / "bought.csv"
    path.write_text("account,at,euros\na,05.03.2024,7\n")
    people = {"kind": "entities", "id": "account", "since": "began"}
    found = of_customers(path, settings_of(people=people, bought=BOUGHT), None)
    assert (found.index.ids.to_pylist(), found.closed.tolist()) == (["a"], [day("2024-03-05")])


def test_called_companies_are_named_by_the_id_of_the_description(tmp_path):
    path = tmp_path / "called.csv"
    path.write_text("team\n b \n")
    found = calls_made(path, settings_of(teams=TEAMS))
    assert (found.undated, len(found.dated)) == ({"b"}, 0)


def test_a_file_of_calls_may_say_when_each_was_made(tmp_path):
    path = tmp_path / "called.csv"
    path.write_text("team,called_on\nb,2024-03-02\nc,\nb,2024-03-09 17:30\n")
    found = calls_made(path, settings_of(teams=TEAMS))
    assert found.undated == {"c"}
    assert found.dated.to_numpy().tolist() == [["b", day("2024-03-02")], ["b", day("2024-03-09")]]


@pytest.mark.parametrize("bad", ["soon", "2024-02-30", "31.12.2024"])
def test_a_day_of_a_call_that_is_none_is_named_by_its_line(tmp_path, bad):
    path = tmp_path / "called.csv"
    path.write_text(f"team,called_on\nb,2024-03-02\nc,{bad}\n")
    with pytest.raises(InputError, match=rf"{path}, line 3: called_on is not an ISO date") as caught:
        calls_made(path, settings_of(teams=TEAMS))
    assert "YYYY-MM-DD" in caught.value.hint


DAYS = [("before", 99), ("first", 100), ("last", 129), ("late", 130), ("unknown", 121), ("end", 120)]


@pytest.mark.parametrize(
    ("as_of", "converted"), [(200, {"first", "last", "unknown", "end"}), (120, {"first", "end"})]
)
def test_a_company_converted_from_the_day_of_the_list_to_before_the_horizon_as_far_as_is_known(
    as_of, converted
):
    names = [name for name, _ in DAYS]
    known = Conversions(
        CompanyIndex(names, frozenset()),
        np.array([day for _, day in DAYS], dtype=np.int32),
        np.arange(1.0, 7.0),
        as_of,
        everybody=True,
    )
    rows = pd.DataFrame({"entity_id": [*names, "stranger"], "cutoff": np.full(7, 100, dtype=np.int32)})
    found = known.add_to(rows, np.full(7, 30, dtype=np.int32))
    assert set(found["entity_id"][found["converted"]]) == converted
    money = {name: at + 1 for at, name in enumerate(names)}
    assert found["money"].tolist() == [
        money[name] if name in converted else 0 for name in [*names, "stranger"]
    ]
    assert (known.strangers(["first", "stranger", "other"]), known.strangers([])) == (2, 0)
    assert replace(known, everybody=False).strangers(["stranger"]) == 0


def test_each_list_has_its_own_horizon():
    one = CompanyIndex(["a"], frozenset())
    known = Conversions(one, np.array([110]), np.array([5.0]), 200, everybody=True)
    rows = pd.DataFrame({"entity_id": ["a", "a"], "cutoff": [100, 101]})
    assert known.add_to(rows, np.array([10, 10]))["converted"].tolist() == [False, True]


def test_what_a_customer_pays_is_the_average_where_it_is_not_known_and_nothing_where_it_is_less():
    value = np.array([20.0, -4.0, np.nan, 800.0, np.nan, 1.0])
    customer = np.array([True, True, True, False, False, True])
    assert _money(value, customer).tolist() == [20, 0, 7, 800, 7, 1]
    assert _money(np.full(2, np.nan), np.ones(2, dtype=bool)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("days", "last"),
    [
        (["2024-03-02", "2024-04-01"], "2024-04-01"),  # thirty days apart
        (["2024-03-02", "2024-04-02"], "2024-03-02"),  # the last one stands alone
        (["2024-03-02", "2024-03-05", "2029-01-01"], "2024-03-05"),
        (["2024-03-02", "2024-06-01", "2024-06-02"], "2024-06-02"),
        (["2024-03-02"], "2024-03-02"),
    ],
)
def test_a_file_reaches_up_to_its_last_conversion_that_does_not_stand_alone(tmp_path, days, last):
    path = tmp_path / "teams.csv"
    path.write_text("team,paid\n" + "".join(f"t{at},{one}\n" for at, one in enumerate(reversed(days))))
    found = of_customers(path, settings_of(teams=TEAMS), None)
    assert found.as_of == day(last)
    assert found.closed.tolist() == [day(one) for one in days]
    assert not found.everybody
    assert of_customers(path, settings_of(teams=TEAMS), 5).as_of == 5


def test_the_first_conversion_of_a_company_counts_whatever_the_order_of_the_file(tmp_path):
    path = tmp_path / "bought.csv"
    path.write_text("account,at,euros\na,07.03.2024,9\nb,01.03.2024,1\na,02.03.2024 23:59,5\n")
    found = of_customers(path, settings_of(bought=BOUGHT), None)
    assert dict(zip(found.index.ids.to_pylist(), found.closed.tolist(), strict=True)) == {
        "a": day("2024-03-02"),
        "b": day("2024-03-01"),
    }
    assert dict(zip(found.index.ids.to_pylist(), found.money.tolist(), strict=True)) == {"a": 5, "b": 1}
