"""Errors reach whoever reads them whole, also from a worker process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ml_sys.errors import (
    AuditError,
    ChampionChangedError,
    EmptyTableError,
    MissingColumnError,
    MissingFileError,
    MlsysError,
    NotEnoughDataError,
    SettingsError,
    TooManyRejectedError,
    TrackingError,
    UnreadableFileError,
    UnverifiedError,
)

RAISED = (
    NotEnoughDataError("too few conversions", hint="ingest a longer history"),
    SettingsError("mlsys.toml", "model.params", "no such parameter", hint="see its documentation"),
    MissingFileError(Path("customers.csv"), "customers"),
    UnreadableFileError("usage.csv", "it is a folder"),
    EmptyTableError("usage.csv"),
    MissingColumnError("usage.csv", "WHEN", ["WHEN_TIMESTAMP"]),
    TooManyRejectedError("usage", 5, 10, 0.05, Path("quarantine.parquet")),
    TrackingError("runs", OSError("refused")),
    UnverifiedError("1.0.0", "a file is missing"),
    AuditError(Path("audit.jsonl"), "record 3 does not follow from record 2"),
    ChampionChangedError("1.0.0", None),
)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_from_a_worker_as_it_was_raised(error: MlsysError) -> None:
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, pickled in this line
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)
