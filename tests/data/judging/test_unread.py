"""Dates that a description does not read are named, with how to describe them or how many they are."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ml_sys.data.judging.checking import DescriptionCheck, Needs, check
from ml_sys.data.looking.opening import look_at
from ml_sys.settings.description import SchemaSettings


def checked(folder: Path, days: list[str], dates: str, since: str = "2020-01-01") -> DescriptionCheck:
    """Check teams that paid on some days, and usage whose days are written as they should be."""
    teams = [f"t{at},{day},{since}" for at, day in enumerate(days)]
    (folder / "teams.csv").write_text("\n".join(["team,paid,born", *teams, ""]))
    (folder / "seen.csv").write_text("team,day,n\nt0,2020-01-01,1\n")
    tables = {
        "teams": {"kind": "entities", "id": "team", "converted_on": "paid", "dates": dates},
        "seen": {"kind": "periods", "id": "team", "at": "day", "measures": {"n": {"column": "n"}}},
    }
    schema = SchemaSettings.model_validate({"tables": tables})
    with duckdb.connect() as connection:
        looked = look_at(connection, {name: str(folder / f"{name}.csv") for name in tables})
        return check(connection, schema, looked, Needs(14, 3, 10))


ISO, SLASHED = ["2020-01-02", "2020-01-15"], ["1/13/2020", "1/14/2020"]
SECONDS = ["1577836800", "1580515200"]


@pytest.mark.parametrize(
    ("days", "dates", "problem"),
    [
        (ISO, "iso", ""),
        (ISO, "day-first", ""),  # ISO dates are read beside these
        (ISO, "epoch_s", '100% of its values cannot be read with dates = "epoch_s"'),
        (["1577836800", "soon"], "epoch_s", '50% of its values cannot be read with dates = "epoch_s"'),
        (SLASHED, "month-first", ""),
        (SLASHED, "day-first", '100% of its values cannot be read with dates = "day-first"'),
        (SLASHED, "iso", 'its values are written MM/DD/YYYY; set dates = "month-first"'),
        (["1/2/2020", "3/4/2020"], "day-first", ""),
        (SECONDS, "epoch_s", ""),
        (SECONDS, "epoch_ms", 'its values are written seconds since 1970; set dates = "epoch_s"'),
        (SECONDS, "iso", 'its values are written seconds since 1970; set dates = "epoch_s"'),
        (["soon", "later"], "iso", "its values are not dates; ingest reads YYYY-MM-DD"),
        (["soon", "later"], "day-first", "its values are not dates; ingest reads YYYY-MM-DD"),
        (["", ""], "epoch_s", ""),
        ([*["2020-01-02"] * 19, "soon"], "iso", ""),  # one in twenty is set aside and no more
        (
            [*["1577836800"] * 18, "soon"],
            "epoch_s",
            '5% of its values cannot be read with dates = "epoch_s"',
        ),
    ],
)
def test_dates_that_are_not_written_as_described_are_a_problem(
    tmp_path: Path, days: list[str], dates: str, problem: str
) -> None:
    found = checked(tmp_path, days, dates)
    assert found.problems == ((f"teams.paid: {problem}",) if problem else ())


def test_what_is_read_as_described_dates_the_table(tmp_path: Path) -> None:
    teams = checked(tmp_path, SECONDS, "epoch_s").tables[0]
    assert (teams.first_day, teams.last_day) == ("2020-01-01", "2020-02-01")
