"""Tables of days, of months and of dates alone, from files to a list, by the command line alone."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.tables import MEASURES

SETTINGS = """
threads = 1
[usage]
period = "{unit}"
[label]
horizon_days = {horizon}
[features]
windows_days = [{window}]
[panel]
max_cutoffs = 12
[split]
validation_folds = 2
holdout_cutoffs = 3
[model]
max_trees = 5
[report]
backtest = false
resampling = false
seeds = 0
[backtest]
lists = 3
every_days = {every}
[engine]
workers = 1
[bootstrap]
resamples = 20
"""
# Teams of a table of their own, with what they did in each month; and people of whom only dates are known.
TEAMS = """
[schema.words]
entity = { one = "team", many = "teams" }
[schema.tables.teams]
kind = "entities"
file = "teams.csv"
id = "team"
since = "joined"
converted_on = "upgraded"
[schema.tables.months]
kind = "periods"
file = "months.csv"
id = "team"
at = "month"
[schema.tables.months.measures]
people = { column = "people", role = "users" }
hours = { column = "hours", role = "amount", one = "hour", many = "hours", digits = 1 }
"""
PEOPLE = """
[schema.words]
entity = { one = "person", many = "people" }
[schema.tables.visits]
kind = "events"
file = "visits.csv"
id = "person"
at = "day"
[schema.tables.sales]
kind = "purchases"
file = "sales.csv"
id = "person"
at = "day"
"""
COMPANIES = 200
Place = tuple[Path, timedelta, list[date]]
# Description, unit, horizon, window, days between lists, periods, stamps at this frequency from this day on.
DAYS = ("", "day", 1, 7, 1, 45, "D", "2020-01-01")
MONTHS = (TEAMS, "month", 30, 59, 28, 30, "MS", "2018-03-01")
DATES = (PEOPLE, "week", 7, 14, 7, 30, "W-MON", "2020-01-06")


@pytest.fixture(scope="module", params=[DAYS, MONTHS, DATES], ids=["days", "months", "dates"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with settings and tables in which those pay who began to work a period or two before."""
    described, unit, horizon, window, every, n_periods, frequency, first = request.param
    folder = tmp_path_factory.mktemp(unit)
    (folder / "conf").mkdir()
    (folder / "conf" / "mlsys.toml").write_text(
        SETTINGS.format(unit=unit, horizon=horizon, window=window, every=every) + described
    )
    starts = pd.date_range(first, periods=n_periods + 1, freq=frequency)
    rng = np.random.default_rng(4)
    began = rng.integers(2, 2 * n_periods, COMPANIES)
    counts = rng.poisson(1, (COMPANIES, n_periods, len(MEASURES)))
    counts[np.arange(n_periods) >= began[:, np.newaxis]] += 9
    pays = began + 2 < n_periods
    pays_on = starts[np.minimum(began + 1 + rng.integers(0, 2, COMPANIES), n_periods)]
    names = np.array([f"c{number:03}" for number in rng.permutation(COMPANIES)])
    company, period = np.nonzero(counts.sum(axis=2))
    usage = pd.DataFrame(
        {
            "id": names[company],
            "at": starts[period].strftime("%Y-%m-%d"),
            "row": counts[company, period].tolist(),
        }
    )
    write = {"": _default_form, TEAMS: _teams, PEOPLE: _people}[described]
    write(folder, usage, pd.Series(np.where(pays, pays_on.strftime("%Y-%m-%d"), ""), index=names), rng)
    return folder, timedelta(horizon), [one.date() for one in starts]


def _default_form(folder: Path, usage: pd.DataFrame, paid_on: pd.Series, rng: np.random.Generator) -> None:
    about = pd.DataFrame(
        {
            "ALEXA_RANK": rng.integers(1, 10**6, COMPANIES),
            "EMPLOYEE_RANGE": rng.choice(["2 to 5", "11 to 25"], COMPANIES),
            "INDUSTRY": "RETAIL",
            "id": paid_on.index,
        }
    )
    pays = (paid_on != "").to_numpy()
    about[pays].assign(CLOSEDATE=paid_on[pays].to_numpy(), MRR=100).to_csv(
        folder / "customers.csv", index=False
    )
    about[~pays].to_csv(folder / "noncustomers.csv", index=False)
    rows = pd.DataFrame(usage["row"].tolist(), columns=[name.upper() for name in MEASURES])
    rows["WHEN_TIMESTAMP"], rows["id"] = usage["at"], usage["id"]
    rows.to_csv(folder / "usage_actions.csv", index=False)


def _teams(folder: Path, usage: pd.DataFrame, paid_on: pd.Series, rng: np.random.Generator) -> None:
    joined = [f"2018-02-{day:02}" for day in rng.integers(1, 28, COMPANIES)]
    pd.DataFrame({"team": paid_on.index, "joined": joined, "upgraded": paid_on.to_numpy()}).to_csv(
        folder / "teams.csv", index=False
    )
    rows = np.array(usage["row"].tolist())
    pd.DataFrame(
        {
            "team": usage["id"],
            "month": usage["at"],
            "people": rows[:, 0],
            "hours": rows[:, 1:].sum(axis=1) / 10,
        }
    ).to_csv(folder / "months.csv", index=False)


def _people(folder: Path, usage: pd.DataFrame, paid_on: pd.Series, rng: np.random.Generator) -> None:
    times = np.array(usage["row"].tolist())[:, 0]
    at = np.repeat(np.arange(len(usage)), times)
    days = pd.to_datetime(usage["at"].iloc[at]) + pd.to_timedelta(rng.integers(0, 7, at.size), unit="D")
    pd.DataFrame({"person": usage["id"].iloc[at], "day": days.dt.strftime("%Y-%m-%d")}).to_csv(
        folder / "visits.csv", index=False
    )
    paid = paid_on[paid_on != ""]
    pd.DataFrame({"person": paid.index, "day": paid.to_numpy()}).to_csv(folder / "sales.csv", index=False)


def test_tables_of_any_period_are_ingested_learnt_from_and_made_lists_of(place: Place, mlsys: Any) -> None:
    folder, horizon, starts = place

    def said(*words: str) -> dict[str, Any]:
        done = mlsys("--json", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    ingested = said("ingest")
    assert ingested["as_of"] == str(starts[-1])
    assert not ingested["warnings"]
    assert not [note for note in ingested["notes"] if "before the day of the snapshot" in note]
    trained = said("train", "--quick")
    learnt, held = ([on(day) for day in trained[part]["cutoffs"]] for part in ("training", "holdout"))
    assert trained["training"]["positives"]
    assert trained["metrics"]["all prospects"]["model"]["roc_auc"]["value"] > 0.9
    assert max(learnt) + horizon <= min(held)
    assert min(np.diff(held)) >= horizon
    said("score", "--out", "list.csv")
    assert set(pd.read_csv(folder / "list.csv")["cutoff"]) == {str(starts[-1])}
    again = [on(one["cutoff"]) for one in said("evaluate", "--backtest")["cutoffs"]]
    assert len(again) == 3
    assert {*learnt, *held, *again} <= set(starts)
    assert max(again) == max(held) == max(one for one in starts if one + horizon <= starts[-1])


def on(text: str) -> date:
    return date.fromisoformat(text)
