"""What a version keeps is read again, also by a later mlsys."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from ml_sys.errors import SettingsError
from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.model.files.layout import SETTINGS
from ml_sys.model.files.serialization import (
    _holdout_frame,
    _holdout_of,
    load_model,
    model_files,
    read_holdout,
    read_settings,
)
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


def test_a_holdout_comes_back_as_it_was_kept() -> None:
    rows = pd.DataFrame({"a": np.array([1, np.nan], np.float32), "b": np.array(["x", None], dtype=object)})
    panel = Panel(
        rows=Rows.of(rows),
        company=np.array([2, 0], np.int32),
        cutoff=np.array([7, 14], np.int32),
        label=np.array([True, False]),
        seen=np.array([False, True]),
        rules={"most users": np.array([3.0, 1.0], np.float32)},
    )
    ids = np.array(["i", "j", "k"], dtype=object)
    frame = _holdout_frame(panel, ids, np.array([0.5, 0.25]))
    assert frame.columns.tolist() == [
        "id", "company", "cutoff", "label", "seen", "probability", "rule:most users",
        "feature:a", "feature:b",
    ]  # fmt: skip
    found, known = _holdout_of(frame)
    for name in ("company", "cutoff", "label", "seen"):
        np.testing.assert_array_equal(getattr(found, name), getattr(panel, name))
    pd.testing.assert_frame_equal(found.features, rows)
    assert list(found.rules) == ["most users"]
    np.testing.assert_array_equal(found.rules["most users"], panel.rules["most users"])
    assert known.to_dict("list") == {"id": ["k", "i"], "probability": [0.5, 0.25]}


def test_the_same_pipeline_is_kept_in_the_same_bytes(registered: Path) -> None:
    artifact = Registry(registered).open("1.0.0")
    holdout, known = read_holdout(artifact)
    ids, probability = known["id"].to_numpy(dtype=object), known["probability"].to_numpy()
    few = replace(holdout.take(np.arange(50)), company=np.arange(50, dtype=np.int32))
    one, other = (model_files(load_model(artifact), few, ids, probability[:50]) for _ in range(2))
    assert one == other
    assert skops.io.dumps(load_model(artifact).pipeline) != skops.io.dumps(load_model(artifact).pipeline)
