"""A version judged again gives what was stored with it, or says what differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ml_sys.errors import ArtifactError
from ml_sys.jobs.models.evaluate import evaluate_version
from ml_sys.registry.store import Registry
from tests.registry.forgery import forge


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Registry:
    """A registry with version 1.0.0 that the test may change."""
    return Registry(Path(shutil.copytree(trained, tmp_path / "artifacts")))


def test_a_version_judged_again_gives_its_stored_metrics_to_the_last_bit(trained):
    again = evaluate_version(Registry(trained), "1.0.0")
    assert again.identical
    assert not again.differing


def test_an_edited_metric_is_refused_as_a_file_that_changed(copied):
    path = copied.folder("1.0.0") / "metrics.json"
    path.write_text(path.read_text().replace("0.", "0.9", 1))
    with pytest.raises(ArtifactError, match=r"metrics\.json: differs from its digest"):
        evaluate_version(copied, "1.0.0")


def test_an_edited_metric_is_found_even_if_its_digest_was_forged(copied):
    metrics = json.loads((copied.folder("1.0.0") / "metrics.json").read_text())
    metrics["seen in usage"]["model"]["roc_auc"]["value"] = 0.99
    forge(copied, "1.0.0", "metrics.json", json.dumps(metrics).encode())
    again = evaluate_version(copied, "1.0.0")
    assert not again.identical
    assert [place for place in again.differing if "roc_auc" in place] == list(again.differing)
    assert "seen in usage / model / roc_auc" in again.differing[0]


def test_a_holdout_with_turned_labels_does_not_reproduce_the_metrics(copied):
    path = copied.folder("1.0.0") / "holdout.parquet"
    frame = pd.read_parquet(path)
    frame.loc[frame["label"].idxmax(), "label"] = False
    frame.to_parquet(path, index=False)
    forge(copied, "1.0.0", "holdout.parquet", path.read_bytes())
    assert not evaluate_version(copied, "1.0.0").identical
