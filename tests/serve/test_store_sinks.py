"""Predictions in the store, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ml_sys.errors import StorageError
from ml_sys.jobs.data.forget import forget_company
from ml_sys.outcomes.database.engine import postgresql_engine, sqlite_engine
from ml_sys.outcomes.store import FILE, opened_store
from ml_sys.serve.prediction_log import Logged
from ml_sys.serve.sinks import make_sink
from ml_sys.settings import Settings
from tests.outcomes.database.test_migrating import OLD_LOG
from tests.serve.test_prediction_log import AT, logged, numbers


@pytest.fixture
def settings(store_settings: Settings) -> Settings:
    """Settings that name an empty store."""
    return store_settings


def kept(settings: Settings, columns: str = "probability * 1048576") -> list[tuple[object, ...]]:
    """What the store holds, by time."""
    return selected(settings, f"SELECT {columns} FROM predictions ORDER BY at")  # noqa: S608 - our constants


def counts(settings: Settings) -> list[tuple[object, ...]]:
    """What the store has counted of inputs."""
    return selected(
        settings, "SELECT day, version, input, predictions FROM served_inputs ORDER BY day, version, input"
    )


def selected(settings: Settings, query: str) -> list[tuple[object, ...]]:
    url = settings.store.url
    engine = postgresql_engine(url) if url else sqlite_engine(settings.artifacts_dir / FILE)
    with engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    engine.dispose()
    return [tuple(row) for row in rows]


def written(settings: Settings, predictions: Sequence[Logged]) -> None:
    sink = make_sink(settings)
    assert sink is not None
    sink.write(predictions)
    sink.close()


def old_log(settings: Settings, *more: str) -> Path:
    """A file of predictions from before there was a store, with one prediction for company 7."""
    settings.artifacts_dir.mkdir(exist_ok=True)
    path = settings.artifacts_dir / "predictions.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in (*OLD_LOG, *more):
            connection.execute(statement)
    return path


def test_every_field_is_in_the_store(settings: Settings) -> None:
    written(settings, [Logged(AT, "2.0.1", "c\x00\ud83d", b"\x00\x01", 0.1 + 0.2)])
    ((at, version, company, features, probability),) = kept(
        settings, "at, version, company, features, probability"
    )
    assert (at, version, company) == ("2026-01-01T00:00:00.250Z", "2.0.1", r"c\x00\ud83d")
    assert (len(str(features)), probability) == (16, 0.1 + 0.2)


def test_what_was_noticed_of_inputs_is_counted_by_day_and_version(settings: Settings) -> None:
    blank, strange, later = ("plan, blank",), ("plan, blank", "country, unknown to the version"), AT + 86_400
    for at, noticed in ((AT, blank), (AT, ()), (later, strange)):
        written(settings, [Logged(at, "1.0.0", "7", b"", 0.5, noticed), Logged(AT, "2.0.0", "8", b"", 0.5)])
    assert counts(settings) == [
        ("2026-01-01", "1.0.0", "", 2), ("2026-01-01", "1.0.0", "plan, blank", 1),
        ("2026-01-01", "2.0.0", "", 3), ("2026-01-02", "1.0.0", "", 1),
        ("2026-01-02", "1.0.0", "country, unknown to the version", 1),
        ("2026-01-02", "1.0.0", "plan, blank", 1),
    ]  # fmt: skip
    sink = make_sink(settings)
    assert sink is not None
    while sink.prune(later):  # type: ignore[attr-defined] # both sinks have it
        pass
    sink.close()
    assert [day for day, *_ in counts(settings)] == ["2026-01-02"] * 3


def test_lists_and_predictions_share_the_store(settings: Settings) -> None:
    with opened_store(settings) as store:
        written(settings, numbers(0, 3000))
        assert store.lists() == []
    assert len(kept(settings)) == 3000


def test_old_predictions_go_and_young_ones_stay(settings: Settings) -> None:
    sink = make_sink(settings)
    assert sink is not None
    sink.write(numbers(0, 12_000))
    while sink.prune(AT + 7000):  # type: ignore[attr-defined] # both sinks have it
        pass
    sink.close()
    assert kept(settings) == [(number,) for number in range(7000, 12_000)]


def test_a_company_is_forgotten(settings: Settings) -> None:
    written(settings, [logged(0, "7"), logged(1, "8"), logged(2, "7")])
    (place,) = forget_company(settings, "7", dry_run=True).removed
    assert (place.kind, place.found) == ("prediction log", 2)
    assert forget_company(settings, "7").removed == (place,)
    assert kept(settings, "company") == [("8",)]


def test_the_file_of_before_is_taken_over_once_and_removed(settings: Settings) -> None:
    old = old_log(settings)
    written(settings, [logged(1, "8")])
    assert kept(settings, "company") == [("7",), ("8",)]
    assert not old.exists()
    old_log(settings)  # as a crash before it was removed would leave it
    written(settings, [logged(2, "9")])
    assert kept(settings, "company") == [("7",), ("8",), ("9",)]
    assert not old.exists()
    old_log(settings, "UPDATE predictions SET at = '2026-01-01T00:00:09.000Z', company = 'later'")
    written(settings, [])
    assert ("later",) in kept(settings, "company")


def test_a_file_of_before_that_is_something_else_is_left_alone(settings: Settings) -> None:
    old = old_log(settings, "PRAGMA application_id = 5")
    written(settings, [logged(0)])
    assert old.exists()
    old.write_text("buy milk\n" * 1000)
    with pytest.raises(StorageError, match=r"predictions\.sqlite: file is not a database"):
        make_sink(settings)


def test_a_server_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    away = {"artifacts_dir": tmp_path, "store": {"url": f"postgresql://mlsys@/none?host={tmp_path}"}}
    with pytest.raises(StorageError, match=r"^postgresql://.*: connection is bad") as caught:
        make_sink(Settings.model_validate(away))
    assert "\n" not in caught.value.message
