"""Tables of days and of months, from files to a list, by the command line alone."""

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
COMPANIES = 200
Place = tuple[Path, timedelta, list[date]]
# Unit, horizon, window, days between lists, periods of usage, stamps at this frequency from this day on.
DAYS = ("day", 1, 7, 1, 45, "D", "2020-01-01")
MONTHS = ("month", 30, 59, 28, 30, "MS", "2018-03-01")


@pytest.fixture(scope="module", params=[DAYS, MONTHS], ids=["days", "months"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with settings and tables in which those pay who began to work a period or two before."""
    unit, horizon, window, every, n_periods, frequency, first = request.param
    folder = tmp_path_factory.mktemp(unit)
    (folder / "conf").mkdir()
    (folder / "conf" / "mlsys.toml").write_text(
        SETTINGS.format(unit=unit, horizon=horizon, window=window, every=every)
    )
    starts = pd.date_range(first, periods=n_periods + 1, freq=frequency)
    rng = np.random.default_rng(4)
    began = rng.integers(2, 2 * n_periods, COMPANIES)
    counts = rng.poisson(1, (COMPANIES, n_periods, len(MEASURES)))
    counts[np.arange(n_periods) >= began[:, np.newaxis]] += 9
    pays = began + 2 < n_periods
    pays_on = starts[np.minimum(began + 1 + rng.integers(0, 2, COMPANIES), n_periods)]
    about = pd.DataFrame(
        {
            "ALEXA_RANK": rng.integers(1, 10**6, COMPANIES),
            "EMPLOYEE_RANGE": rng.choice(["2 to 5", "11 to 25"], COMPANIES),
            "INDUSTRY": "RETAIL",
            "id": [f"c{number:03}" for number in rng.permutation(COMPANIES)],
        }
    )
    paid = about[pays].assign(CLOSEDATE=pays_on[pays].strftime("%Y-%m-%d"), MRR=100)
    paid.to_csv(folder / "customers.csv", index=False)
    about[~pays].to_csv(folder / "noncustomers.csv", index=False)
    company, period = np.nonzero(counts.sum(axis=2))
    usage = pd.DataFrame(counts[company, period], columns=[name.upper() for name in MEASURES])
    usage["WHEN_TIMESTAMP"] = starts[period].strftime("%Y-%m-%d")
    usage["id"] = about["id"].to_numpy()[company]
    usage.to_csv(folder / "usage_actions.csv", index=False)
    return folder, timedelta(horizon), [one.date() for one in starts]


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
    assert not [note for note in ingested["notes"] if "before the snapshot's day" in note]
    trained = said("train", "--quick")
    learnt, held = ([on(day) for day in trained[part]["cutoffs"]] for part in ("training", "holdout"))
    assert trained["training"]["positives"]
    assert trained["metrics"]["all prospects"]["model"]["roc_auc"]["value"] > 0.9
    assert max(learnt) + horizon <= min(held)
    assert min(np.diff(held)) >= horizon
    said("score", "noncustomers.csv", "--out", "list.csv")
    assert set(pd.read_csv(folder / "list.csv")["cutoff"]) == {str(starts[-1])}
    again = [on(one["cutoff"]) for one in said("evaluate", "--backtest")["cutoffs"]]
    assert len(again) == 3
    assert {*learnt, *held, *again} <= set(starts)
    assert max(again) == max(held) == max(one for one in starts if one + horizon <= starts[-1])


def on(text: str) -> date:
    return date.fromisoformat(text)
