"""Predictions are added up in the database, in SQLite as in PostgreSQL."""

from __future__ import annotations

import pandas as pd
import pytest
from sqlalchemy import insert

from ml_sys.outcomes.database.engine import postgresql_engine, sqlite_engine, writing
from ml_sys.outcomes.database.served_log import Windows, by_day, last_of, promised, versions_served
from ml_sys.outcomes.database.tables import predictions
from ml_sys.outcomes.store import FILE, opened_store
from ml_sys.text import date_of

# Windows of 30 days end before day 18,300, so that the last but one begins on day 18,240.
UNTIL, BOTH = 18_300, ("1.0.0", "1.1.0")
LOG = [
    ("a", 18_245, "1.0.0", 0.1),
    ("a", 18_262, "1.0.0", 0.2),  # the last of its window
    ("a", 18_270, "1.0.0", 0.3),
    ("a", 18_299, "1.1.0", 0.4),  # the last of the next one
    ("a", 18_300, "1.1.0", 0.9),  # too late for its outcome to be known
    ("b", 18_269, "1.0.0", 0.5),
    ("b", 18_290, "9.9.9", 0.6),  # of a version that was not asked for
    (None, 18_269, "1.0.0", 0.7),
]


@pytest.fixture
def connection(store_settings):
    """A database with the log above, each prediction at noon."""
    with opened_store(store_settings):
        pass
    url = store_settings.store.url
    engine = postgresql_engine(url) if url else sqlite_engine(store_settings.artifacts_dir / FILE)
    rows = [
        {"at": f"{date_of(day)}T12:00:00.000Z", "version": version, "company": name,
         "features": "ab", "probability": probability}
        for name, day, version, probability in LOG
    ]  # fmt: skip
    with writing(engine) as writer:
        writer.execute(insert(predictions), rows)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def test_of_each_company_the_last_prediction_of_each_window_counts(connection):
    found = sorted(promised(connection, Windows(BOTH, 30, UNTIL)))
    assert found == [
        ("a", "1.0.0", 1, 0.2, pytest.approx(0.04)),
        ("a", "1.1.0", 1, 0.4, pytest.approx(0.16)),
        ("b", "1.0.0", 1, 0.5, 0.25),
    ]
    later = sorted(promised(connection, Windows(BOTH, 30, UNTIL, since=18_270)))
    assert [(name, version) for name, version, *_ in later] == [("a", "1.1.0")]


def test_of_who_has_paid_the_last_prediction_until_then_counts(connection):
    windows = Windows(BOTH, 30, UNTIL)
    assert sorted(last_of(connection, windows, {"a": 18_270, "stranger": 18_000})) == [
        ("a", "1.0.0", 18_262, 0.2),
        ("a", "1.0.0", 18_270, 0.3),
    ]
    assert list(last_of(connection, windows, {})) == []


def test_predictions_are_counted_by_day_version_and_height(connection):
    found = by_day(connection, 18_262, 18_300, [0.3, 0.6])
    told = found.set_index(["day", "version", "bin"]).sort_index()
    assert told.loc[(date_of(18_269), "1.0.0", 1)].tolist() == [1, 0.5, 0.5, 0.5]
    assert told.loc[(date_of(18_269), "1.0.0", 2)].tolist() == [1, 0.7, 0.7, 0.7]
    assert told.loc[(date_of(18_270), "1.0.0", 1), "total"] == 0.3  # an edge begins a bin
    assert told["predictions"].sum() == 6
    assert isinstance(by_day(connection, 0, 1, [0.5]), pd.DataFrame)


def test_the_versions_that_served_are_known(connection):
    assert versions_served(connection) == ("1.0.0", "1.1.0", "9.9.9")
