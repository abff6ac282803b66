"""Each store test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_sys.outcomes.store import Store, opened_store
from ml_sys.settings import Settings
from tests.outcomes import postgresql


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Path]:
    """The folder of a running server's socket."""
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("there is no PostgreSQL here: apt install postgresql")
    with postgresql.running(programs) as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty store."""
    url = ""
    if request.param == "postgresql":
        url = postgresql.new_database(request.getfixturevalue("postgresql_server"))
    return Settings.model_validate({"artifacts_dir": tmp_path / "artifacts", "store": {"url": url}})


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An empty store."""
    with opened_store(settings) as opened:
        yield opened
