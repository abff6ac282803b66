"""What a version keeps is read again, also by a later mlsys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ml_sys.errors import SettingsError
from ml_sys.model.files.layout import SETTINGS
from ml_sys.model.files.serialization import read_settings
from ml_sys.registry.store import Registry
from tests.registry.forgery import forge


@pytest.fixture
def registry(registered: Path, tmp_path: Path) -> Registry:
    return Registry(Path(shutil.copytree(registered, tmp_path / "artifacts")))


def test_settings_of_a_version_that_are_retired_since_are_ignored_and_said(registry, caplog):
    kept, text = read_settings(registry.open("1.0.0")), registry.open("1.0.0").text(SETTINGS)
    forge(registry, "1.0.0", SETTINGS, text.replace("[score]", "[score]\nchunk_rows = 5").encode())
    with caplog.at_level("INFO"):
        assert read_settings(registry.open("1.0.0")) == kept
    assert "score.chunk_rows" in caplog.text


def test_settings_of_a_version_that_this_mlsys_does_not_know_are_refused_in_a_line(registry):
    forge(registry, "1.0.0", SETTINGS, b"[score]\nshown = 5\n")
    with pytest.raises(SettingsError, match=r"1\.0\.0/settings\.toml: score\.shown: is not a setting"):
        read_settings(registry.open("1.0.0"))
