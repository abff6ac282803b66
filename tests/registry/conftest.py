"""A version that takes a second to train, for tests that train many."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_sys.data.snapshot import latest
from ml_sys.registry.creation import train_version
from ml_sys.registry.store import Registry
from ml_sys.settings import Settings


@pytest.fixture(scope="session")
def cheap_settings(quick_settings: Settings) -> Settings:
    """Few features, folds and trees; enough to tell converters from the others."""
    return quick_settings.model_copy(
        update={
            "features": quick_settings.features.model_copy(update={"windows_days": (28,)}),
            "split": quick_settings.split.model_copy(update={"validation_folds": 2}),
            "model": quick_settings.model.model_copy(update={"max_trees": 30}),
        }
    )


@pytest.fixture(scope="session")
def registered(ingested: Path, cheap_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifacts folder with a snapshot and version 1.0.0; copy it before changing it."""
    artifacts = tmp_path_factory.mktemp("registered") / "artifacts"
    shutil.copytree(ingested, artifacts)
    settings = cheap_settings.model_copy(update={"artifacts_dir": artifacts})
    train_version(Registry(artifacts), latest(artifacts), settings, now=datetime(2026, 1, 1, tzinfo=UTC))
    return artifacts
