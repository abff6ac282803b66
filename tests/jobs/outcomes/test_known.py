"""What a file of those that converted knows, by the description."""

from __future__ import annotations

import pytest

from ml_sys.errors import EmptyTableError, InputError
from ml_sys.jobs.outcomes.known import calls_made, of_customers
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
    assert found.ids.tolist() == ["a", "b"]
    assert found.closed.tolist() == [day("2024-03-02"), day("2024-03-03")]
    assert found.money.tolist() == [5, 5]
    assert found.as_of == day("2024-03-03")


def test_of_a_table_of_all_entities_those_with_a_day_converted(tmp_path):
    path = tmp_path / "teams.csv"
    path.write_text("team,paid\na,\nb,2024-03-02\n")
    found = of_customers(path, settings_of(teams=TEAMS), day("2024-03-09"))
    assert (found.ids.tolist(), found.closed.tolist()) == (["b"], [day("2024-03-02")])
    path.write_text("team,paid\na,\n")
    with pytest.raises(EmptyTableError):
        of_customers(path, settings_of(teams=TEAMS), None)


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
