"""Workspaces with raw events, from files to a judged list; and what lists and models of them depend on.

The files are made, ingested and learnt from once; tests read what is left, or change a copy of the files.
"""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot, latest
from ml_sys.days import day_number
from ml_sys.serve.contract.request_types import MAX_ROWS
from ml_sys.serve.server import Application
from ml_sys.settings import Settings
from tests import commandline
from tests.model import world as w

WORKSPACES, WEEKS = 240, 44
# Well before the end, so that something can come later; and so late that enough is known.
CUTOFF = np.datetime64("2024-01-01") + 7 * 36
CUTOFF_DAY = day_number(CUTOFF.astype(object))
TABLES = ("workspaces", "members", "events", "purchases")
QUICK = """
threads = 1
[panel]
step_days = 28
[features]
windows_days = [28]
[split]
validation_folds = 2
holdout_cutoffs = 2
[model]
max_trees = 20
early_stopping_rounds = 5
[model.params]
learning_rate = 0.2
[report]
backtest = false
resampling = false
seeds = 0
[bootstrap]
resamples = 20
"""


def run(folder: Path, *args: object) -> str:
    said = commandline.run("--config", folder / "mlsys.toml", *args, cwd=folder)
    assert said.returncode == 0, said.stderr
    return said.stdout


@pytest.fixture(scope="session")
def product(once) -> Path:
    """A folder of the sample's files, their snapshot, version 1.0.0 and its list."""

    def fill(folder: Path) -> None:
        commandline.run(
            "sample", folder, "--preset", "product", "--companies", WORKSPACES, "--weeks", WEEKS, cwd=folder
        )
        description = (folder / "mlsys.toml").read_text(encoding="utf-8")
        chosen, named = (
            description.index("# Without this line"),
            description.index("]\n", description.index("kinds = [")),
        )
        (folder / "mlsys.toml").write_text(
            QUICK + description[:chosen] + description[named + 2 :], encoding="utf-8"
        )
        for args in (
            ("ingest",),
            ("train", "--quick"),
            ("score", "workspaces.csv", "--out", "list.csv"),
            ("score", "workspaces.csv", "--as-of", CUTOFF, "--out", "then.csv"),
        ):
            run(folder, *args)

    return once("product", fill)


@pytest.fixture(scope="session")
def files(product: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(product / f"{name}.csv", dtype=str, keep_default_na=False) for name in TABLES}


@pytest.fixture
def changed(product: Path, tmp_path: Path):
    """Return a copy of everything with other files, ingested."""

    def ingest(**tables: pd.DataFrame) -> Path:
        folder = shutil.copytree(product, tmp_path / "copy")
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        run(folder, "ingest")
        return folder

    return ingest


def ranked(file: Path) -> list[str]:
    """Return the lines of a list."""
    return file.read_text(encoding="utf-8").splitlines()


def test_raw_events_become_a_list_of_workspaces(product: Path, files) -> None:
    listed = pd.read_csv(product / "list.csv")
    assert set(listed.id) <= set(files["workspaces"].workspace)
    assert not set(listed.id) & set(files["purchases"].workspace)
    assert listed.probability.is_monotonic_decreasing
    assert listed.probability.nunique() > 20


@pytest.fixture(scope="module")
def evaluated(product: Path) -> dict:
    return json.loads(run(product, "evaluate", "--truth", "truth.csv", "--json"))


def test_sign_ups_of_the_week_before_each_list_are_judged_by_themselves(
    product: Path, evaluated: dict
) -> None:
    known, rows, paid = snapshot(product), 0, 0
    for day in evaluated["holdout"]["cutoffs"]:
        cutoff = day_number(date.fromisoformat(day))
        new = (known.since < cutoff) & (known.since >= cutoff - 7) & (known.closed >= cutoff)
        rows += new.sum()
        paid += (new & (known.closed < cutoff + 30)).sum()
    rankers = evaluated["metrics"]["sign-ups of this week"]
    counts = {name: one["value"] for name, one in rankers["model"].items() if name.endswith("tives")}
    assert rows > 0
    assert sum(counts.values()) == rows
    assert counts["true_positives"] + counts["false_negatives"] == paid
    assert set(rankers) == set(evaluated["metrics"]["all prospects"])


def test_the_model_comes_close_to_the_true_probabilities(evaluated: dict) -> None:
    found = evaluated["truth"]
    model, best = found["model_expected"]["average_precision"], found["truth_expected"]["average_precision"]
    assert 0.4 * best < model <= 1.05 * best


def test_every_row_is_accounted_for(product: Path, files, tmp_path) -> None:
    folder = shutil.copytree(product, tmp_path / "copy")
    tables = json.loads(run(folder, "ingest", "--json"))["tables"]
    for name in TABLES:
        one = tables[name]
        assert one["read"] == len(files[name])
        assert one["read"] == one["accepted"] + sum(one["merged"].values()) + sum(one["rejected"].values())
    assert tables["events"]["merged"]["repeated event, merged"] == files["events"].event_id.duplicated().sum()


def test_a_request_of_raw_events_is_answered_as_the_list_has_it(product: Path, files) -> None:
    listed = pd.read_csv(product / "list.csv").set_index("id")
    companies = files["workspaces"].drop_duplicates("workspace").set_index("workspace")
    events = files["events"].merge(files["members"].drop_duplicates(), on="user")
    readable = pd.to_datetime(events.happened_at, format="%Y-%m-%d %H:%M:%S", errors="coerce").notna()
    events = events[readable & (events.minutes != "-1.0")]
    served = Application(Settings(artifacts_dir=product / "artifacts", threads=1), "1.0.0")
    answered = {}
    with TestClient(served(), base_url="http://localhost") as client:
        document = client.get("/openapi.json").json()
        told = [one["description"] for path in document["paths"].values() for one in path.values()]
        told += [one.get("description", "") for one in document["components"]["schemas"].values()]
        assert "workspace" in " ".join(told)
        assert not [one for one in told if "compan" in one.casefold()]
        for name in [*listed.index[:5], *listed.index[[40, -1]]]:
            one, own = companies.loc[name], events[events.workspace == name]
            rows = own[["event_id", "user", "happened_at", "event", "minutes"]].to_dict("records")
            body = {
                "as_of": listed.cutoff[name],
                "since": one.signed_up,
                "country": one.country or None,
                "seats": float(one.seats) if one.seats else None,
                "events": [{**row, "minutes": float(row["minutes"] or 0)} for row in rows],
            }
            if len(rows) <= MAX_ROWS:
                answer = client.post("/predict", json=body)
                assert answer.status_code == 200, answer.text
                answered[name] = answer.json()["conversion_probability"]
        stored = {name: client.get(f"/companies/{name}").json()["prediction"] for name in answered}
    assert len(answered) > 4
    assert answered == {name: listed.probability[name] for name in answered}
    assert answered == {name: one["conversion_probability"] for name, one in stored.items()}


def test_the_tables_that_are_named_give_the_list_that_the_snapshot_gives(product: Path, tmp_path) -> None:
    named = [f"--table={name}={product / f'{name}.csv'}" for name in ("events", "members")]
    run(product, "score", "workspaces.csv", *named, "--out", tmp_path / "list.csv")
    assert ranked(tmp_path / "list.csv") == ranked(product / "list.csv")


# What lists and models depend on


@pytest.fixture(scope="session")
def before(product: Path) -> tuple[w.Fingerprint, np.ndarray, np.ndarray]:
    return fitted(product)


def fitted(folder: Path) -> tuple[w.Fingerprint, np.ndarray, np.ndarray]:
    """Fit to what was known at the cutoff, and score the workspaces of that day, by the order of ids."""
    return w.fitted_at(snapshot(folder), CUTOFF_DAY, settings())


def snapshot(folder: Path) -> Snapshot:
    return latest(folder / "artifacts")


def settings() -> Settings:
    return w.settings(panel={"step_days": 7, "max_cutoffs": 12})


def unchanged(before: tuple, folder: Path, prospects: Path, order: np.ndarray | None = None) -> None:
    """Compare a model of then; and make the list of then, of prospects whose order decides between equals."""
    model, probability, features = fitted(folder)
    order = np.arange(len(before[1])) if order is None else order
    assert model == before[0]
    np.testing.assert_array_equal(probability[order], before[1])
    np.testing.assert_array_equal(features[order], before[2])
    run(folder, "score", prospects, "--as-of", CUTOFF, "--version", "1.0.0", "--out", "again.csv")


def test_the_model_of_then_has_learnt_something(product: Path, before: tuple) -> None:
    known = snapshot(product)
    assert (known.closed[known.closed != NEVER_CLOSED] < CUTOFF_DAY).sum() > 5
    assert np.unique(before[1][~np.isnan(before[1])]).size > 20


def test_events_after_the_cutoff_change_nothing_nor_do_kinds_that_only_begin_then(
    product: Path, files, before: tuple, changed
) -> None:
    events = files["events"]
    later = events[events.happened_at >= str(CUTOFF)].sample(400, random_state=1)
    later = later.assign(event_id=[f"x{one}" for one in range(400)], event="brand.new", minutes="99.5")
    folder = changed(events=pd.concat([events, later, later.assign(event="page.view")]))
    assert snapshot(folder).form == snapshot(product).form
    assert not np.array_equal(snapshot(folder).usage_values, snapshot(product).usage_values)
    unchanged(before, folder, product / "workspaces.csv")
    assert ranked(folder / "again.csv") == ranked(product / "then.csv")


def test_neither_the_order_of_rows_nor_money_changes_anything(
    product: Path, files, before: tuple, changed
) -> None:
    shuffled = {name: table.sample(frac=1, random_state=2) for name, table in files.items()}
    money = np.random.default_rng(0).uniform(1, 1e6, len(files["purchases"])).round(2)
    shuffled["purchases"] = shuffled["purchases"].assign(amount=money)
    folder = changed(**shuffled)
    unchanged(before, folder, product / "workspaces.csv")
    assert ranked(folder / "again.csv") == ranked(product / "then.csv")


def test_other_ids_change_nothing(product: Path, files, before: tuple, changed) -> None:
    rng = np.random.default_rng(3)
    names = sorted(files["workspaces"].workspace.unique())
    other = dict(zip(names, rng.permutation([f"team {one:05d}" for one in range(len(names))]), strict=True))
    users = {one: f"person-{at}" for at, one in enumerate(rng.permutation(files["members"].user.unique()))}
    events = files["events"].event_id.unique()
    numbers = dict(zip(events, rng.permutation(len(events)).astype(str), strict=True))
    folder = changed(
        workspaces=files["workspaces"].assign(workspace=files["workspaces"].workspace.map(other)),
        purchases=files["purchases"].assign(
            workspace=files["purchases"].workspace.map(lambda one: other.get(one, one))
        ),
        members=files["members"].assign(
            workspace=files["members"].workspace.map(other), user=files["members"].user.map(users)
        ),
        events=files["events"].assign(
            user=files["events"].user.map(lambda one: users.get(one, one)),
            event_id=files["events"].event_id.map(numbers),
        ),
    )
    order = np.searchsorted(sorted(other.values()), [other[name] for name in names])
    unchanged(before, folder, folder / "workspaces.csv", order)
    then = pd.read_csv(product / "then.csv").set_index("id").probability
    again = pd.read_csv(folder / "again.csv").set_index("id").probability
    assert {other[name]: value for name, value in then.items()} == dict(again.items())
