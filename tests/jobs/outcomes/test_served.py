"""The service's log of predictions, as `impact` and `monitor` read it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.jobs.outcomes.known import conversions_of
from ml_sys.jobs.outcomes.served import served_promises, watched
from ml_sys.outcomes.store import FILE, opened_store
from ml_sys.settings import Settings
from ml_sys.text import date_of

HORIZON = 30


@pytest.fixture
def place(registered, tmp_path):
    return Path(shutil.copytree(registered, tmp_path / "artifacts"))


def log(place, rows):
    """Put predictions into the store: company, day, probability, version."""
    with opened_store(Settings(artifacts_dir=place)):
        pass
    held = [(f"{date_of(day)}T12:00:00.000Z", version, name, "ab", one) for name, day, one, version in rows]
    with closing(sqlite3.connect(place / FILE)) as connection, connection:
        connection.executemany("INSERT INTO predictions VALUES (?, ?, ?, ?, ?)", held)


@pytest.fixture
def some(snapshot):
    """Somebody who paid a while ago and on which day, and two who never did."""
    end = snapshot.as_of
    at = int(((snapshot.closed < end - HORIZON) & (snapshot.closed > end - 2 * HORIZON)).argmax())
    ids = snapshot.companies["id"]
    assert snapshot.closed[at] < end
    return ids[at], int(snapshot.closed[at]), ids[snapshot.closed == NEVER_CLOSED].tolist()[:2]


def test_what_served_predictions_promised_is_held_against_what_came(place, snapshot, some, mlsys, everyone):
    payer, paid, (one, other) = some
    known = snapshot.as_of - HORIZON  # the last day of which the outcome is known
    log(
        place,
        [
            (payer, paid - 3, 0.2, "1.0.0"),
            (payer, paid + 1, 0.9, "1.0.0"),  # a customer by then
            (one, known - 1, 0.05, "1.0.0"),
            (one, known, 0.1, "1.0.0"),
            (other, known + 1, 0.6, "1.0.0"),  # not known yet
            ("stranger", known, 0.7, "1.0.0"),
            (one, known, 0.8, "7.0.0"),  # of no version that is known
            (None, known, 0.8, "1.0.0"),
        ],
    )
    settings = Settings(artifacts_dir=place)
    (band,), notes = served_promises(settings, conversions_of(everyone), None)
    assert (band.name, band.rows, band.realised) == ("1.0.0", 2, 1)
    assert band.promised == pytest.approx(0.3)
    assert notes == (
        "1 name that the service was asked about is not in the data: their predictions are not judged",
    )
    page = place.parent / "impact.html"
    done = mlsys("impact", "--json", "--page", page, artifacts=place)
    told = json.loads(done.stdout)
    assert told["lists"] == []
    assert told["served"][0]["promised"] == pytest.approx(0.3)
    assert "What the service promised" in page.read_text()
    shown = mlsys("impact", artifacts=place).stdout
    assert shown.startswith("No list was handed out; what the service promised is below.")
    assert "Predictions by the service" in shown
    log(place, [])
    assert served_promises(settings, conversions_of(everyone), known + 1) == ((), ())


def test_the_monitor_looks_at_what_was_served_in_the_last_week(place, snapshot, mlsys):
    day = snapshot.as_of
    ids = snapshot.companies["id"].tolist()[:150]
    rows = [
        (name, day - 1 - week * 7, 0.001 * (at + 1), "1.0.0")
        for week in range(3)
        for at, name in enumerate(ids)
    ]
    log(place, rows)
    asked = ("monitor", "--json", "--on", date_of(day))
    quiet = json.loads(mlsys(*asked, artifacts=place).stdout)
    served = {one["name"]: one for one in quiet["checks"] if one["name"].startswith("served")}
    assert (
        served["served predictions of a week"]["now"],
        served["served predictions of a week"]["alarm"],
    ) == (150, False)
    log(place, [(name, day - 2, 0.004, "1.0.0") for name in ids * 9])
    done = mlsys("monitor", "--json", "--on", date_of(day + 7), artifacts=place)
    assert "served predictions of a week" in json.loads(done.stdout)["alarms"]


def test_a_log_of_one_s_own_is_left_alone_and_nothing_is_made_to_look_at_it(place, snapshot, everyone):
    chosen = Settings.model_validate({"artifacts_dir": place, "serve": {"prediction_log": "none"}})
    known = conversions_of(everyone)
    assert served_promises(chosen, known, None) == ((), ())
    assert served_promises(Settings(artifacts_dir=place), known, None) == ((), ())
    assert not (place / FILE).exists()


@pytest.mark.parametrize(
    ("before", "found"), [(30, (1, 0)), (29, (1, 1)), (1, (1, 1)), (0, (1, 1)), (-1, None)]
)
def test_a_conversion_counts_from_the_day_of_a_prediction_to_before_its_horizon(
    place, snapshot, some, before, found, everyone
):
    payer, paid, _ = some
    log(place, [(payer, paid - before, 0.2, "1.0.0")])
    bands, notes = served_promises(Settings(artifacts_dir=place), conversions_of(everyone), None)
    assert [(one.rows, one.realised) for one in bands] == ([] if found is None else [found])
    assert notes == ()


def test_several_names_that_the_data_do_not_hold_are_counted_once_each(place, snapshot, some, everyone):
    known = snapshot.as_of - HORIZON
    log(place, [(name, known - at, 0.2, "1.0.0") for at in (0, 40) for name in ("x", "y")])
    _, (note,) = served_promises(Settings(artifacts_dir=place), conversions_of(everyone), None)
    assert note.startswith("2 names that the service was asked about are not in the data: ")
    everyone = replace(conversions_of(everyone), everybody=False)
    (band,), notes = served_promises(Settings(artifacts_dir=place), everyone, None)
    assert (band.rows, band.realised, notes) == (4, 0, ())


def test_a_log_that_cannot_be_read_is_said_and_stops_no_monitor(place, snapshot):
    (place / FILE).write_bytes(b"no database" * 100)
    checks, (note,) = watched(Settings(artifacts_dir=place), "1.0.0", np.array([0.1]), snapshot.as_of, None)
    assert checks == []
    assert note.startswith("the service's predictions are not checked: ")
