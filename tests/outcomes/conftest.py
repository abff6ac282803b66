"""Each store test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ml_sys.outcomes.store import Store, opened_store
from ml_sys.settings import Settings


@pytest.fixture
def settings(store_settings: Settings) -> Settings:
    """Settings that name an empty store."""
    return store_settings


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An empty store."""
    with opened_store(settings) as opened:
        yield opened
