"""Predictions are added up in the database, in SQLite as in PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
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
    with logged(store_settings, LOG) as opened:
        yield opened


@pytest.fixture
def often(store_settings):
    """A database in which companies were asked about so often that it is worth looking each up."""
    rng = np.random.default_rng(7)
    asked = [
        (str(company), int(day), BOTH[rng.integers(2)], float(rng.integers(100)) / 128)
        for company in range(3)
        for day in rng.integers(18_200, 18_320, 150)  # some at the same moment as others
    ]
    asked += [("0", 18_250, "9.9.9", 0.5), (None, 18_250, "1.0.0", 0.5)]
    with logged(store_settings, [asked[at] for at in rng.permutation(len(asked))]) as opened:
        yield opened, asked


@contextmanager
def logged(store_settings, predicted):
    with opened_store(store_settings):
        pass
    url = store_settings.store.url
    engine = postgresql_engine(url) if url else sqlite_engine(store_settings.artifacts_dir / FILE)
    rows = [
        {"at": f"{date_of(day)}T12:00:00.000Z", "version": version, "company": name,
         "features": "ab", "probability": probability}
        for name, day, version, probability in predicted
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


@pytest.mark.parametrize("since", [None, 18_231])
def test_where_companies_are_asked_about_often_the_same_is_found(often, since):
    connection, asked = often
    windows, paid = Windows(BOTH, 30, UNTIL, since), {"1": 18_255, "2": 18_290, "stranger": 18_000}

    def last_until(company, until):
        found = {}
        for name, day, version, probability in sorted(asked, key=lambda one: one[1:]):
            if name == company and version in BOTH and (since or 0) <= day < min(until, UNTIL):
                found[(day - UNTIL) // 30] = (version, day, probability)
        return found.values()

    counted = {
        (name, version): (many, total) for name, version, many, total, _ in promised(connection, windows)
    }
    for company in "012":
        for version in BOTH:
            held = [one for name, _, one in last_until(company, UNTIL) if name == version]
            assert counted.get((company, version), (0, 0)) == (len(held), pytest.approx(sum(held)))
    assert len(counted) <= 6
    expected = [(name, *one) for name in "12" for one in last_until(name, paid[name] + 1)]
    found = sorted(last_of(connection, windows, paid))
    assert found == sorted((name, version, day, probability) for name, version, day, probability in expected)


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
