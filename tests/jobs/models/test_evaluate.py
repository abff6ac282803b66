"""A version judged again gives what was stored with it, or says what differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ml_sys.errors import ArtifactError
from ml_sys.jobs.models.evaluate import METRIC_TOLERANCE, Reevaluation, differences, evaluate_version
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
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


def test_two_trees_of_figures_differ_where_a_figure_does_by_more_than_the_tolerance():
    one = {"a": {"b": 1.0, "c": None}, "d": [1, 2], "e": 3}
    assert differences(one, one) == []
    other = {"a": {"b": 1.0 + 1e-6, "c": 0.5}, "d": [1, 3], "f": "x"}
    assert differences(one, other) == ["a / b", "a / c", "d", "e", "f"]
    assert differences(one, other, tolerance=1e-5) == ["a / c", "d", "e", "f"]
    # Relative, but for figures about nothing.
    assert differences({"a": 1000.0}, {"a": 1000.001}, tolerance=2e-6) == []
    assert differences({"a": 0.0}, {"a": 1e-7}, tolerance=1e-6) == []
    assert differences({"a": 0.0}, {"a": 1e-5}, tolerance=1e-6) == ["a"]
    assert differences({"a": 1}, {"a": 2}, tolerance=1e6) == ["a"]  # counts are exact
    assert differences({"a": 1.0}, {"a": {"b": 1.0}}) == ["a"]
    assert differences(1.0, 2.0, "there") == ["there"]
    assert METRIC_TOLERANCE == 1e-9


def test_a_reevaluation_is_plain_data():
    found = {ALL: {MODEL: {"f1": Estimate(0.5, 0.25, 0.75)}}}
    one = Reevaluation("1.0.0", found, {"rows": 3}, {"b": 1}, False, ("a / f1",), None)
    assert one.to_plain() == {
        "version": "1.0.0",
        "identical": False,
        "differing": ("a / f1",),
        "holdout": {"rows": 3},
        "metrics": {ALL: {MODEL: {"f1": {"value": 0.5, "low": 0.25, "high": 0.75}}}},
        "evidence": {"b": 1},
        "truth": None,
    }
    assert one.report is None
    assert one.table.loc[(ALL, MODEL, "f1"), "value"] == 0.5
    assert "Version 1.0.0 on its holdout" in one._repr_html_()
