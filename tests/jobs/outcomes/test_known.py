"""What a file of those that converted knows, by the description."""

from __future__ import annotations

import pytest

from ml_sys.errors import EmptyTableError
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
    assert calls_made(path, settings_of(teams=TEAMS)) == {"b"}
