"""The same snapshot, settings and seed give the same bytes, whatever else is different around them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.snapshot import latest
from ml_sys.errors import SnapshotError
from ml_sys.features.stored import inputs
from ml_sys.jobs.models.fit import fit_snapshot
from ml_sys.jobs.models.reproduce import Reproduction, _changes, _same_rows, reproduce_version
from ml_sys.model.files.golden import PROBABILITY_TOLERANCE
from ml_sys.model.files.serialization import booster_bytes
from ml_sys.registry.environment import cpu_model
from ml_sys.registry.store import Registry
from tests import made
from tests.registry.forgery import forge


def reproduced_elsewhere(artifacts: Path, **environment: str) -> dict:
    """What `mlsys reproduce` says in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ml_sys", "reproduce", "1.0.0", "--json", "--artifacts", str(artifacts)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_another_process_hash_seed_time_zone_and_locale_give_the_same_bytes(registered):
    said = reproduced_elsewhere(
        registered, PYTHONHASHSEED="4711", TZ="Pacific/Kiritimati", LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8"
    )
    assert said["identical"] is True
    assert (said["booster"], said["metrics"], said["largest_difference"]) == (True, [], 0.0)
    assert said["environment"] == []


def test_another_number_of_threads_gives_the_same_or_says_by_how_much_it_differs(registered):
    found = reproduce_version(Registry(registered), "1.0.0", threads=2)
    assert found.environment == ("threads 1 → 2",)
    assert found.close
    assert found.largest_difference <= 1e-6


def test_rows_in_another_order_give_the_same_bytes(registered, three_tables, cheap_settings, tmp_path):
    for name in ("customers", "noncustomers", "usage_actions"):
        frame = pd.read_csv(three_tables / f"{name}.csv", dtype=str, keep_default_na=False)
        frame.sample(frac=1, random_state=3).to_csv(tmp_path / f"{name}.csv", index=False)
    made.snapshot(tmp_path, tmp_path)
    fit = fit_snapshot(latest(tmp_path), cheap_settings)
    stored = (Registry(registered).folder("1.0.0") / "booster.json").read_bytes()
    assert hashlib.sha256(booster_bytes(fit.model)).digest() == hashlib.sha256(stored).digest()


@pytest.mark.slow  # trains again for each
@pytest.mark.parametrize("n_parts", [3, 16])
def test_a_snapshot_in_several_parts_gives_the_same_bytes(
    registered, three_tables, tmp_path, monkeypatch, n_parts
):
    artifacts = Path(shutil.copytree(registered, tmp_path / "artifacts"))
    shutil.rmtree(artifacts / "snapshots")
    made.snapshot(artifacts, three_tables, n_parts)
    monkeypatch.setattr(inputs, "ROWS_AT_ONCE", 1)  # one part at a time
    monkeypatch.setattr(inputs, "ROWS_KEPT", 0)
    assert reproduce_version(Registry(artifacts), "1.0.0").identical


@pytest.fixture
def copied(registered: Path, tmp_path: Path) -> Registry:
    return Registry(Path(shutil.copytree(registered, tmp_path / "artifacts")))


def test_what_is_not_the_same_is_named(copied):
    """Trees, metrics and probabilities of another training, made on another machine."""
    folder = copied.folder("1.0.0")
    holdout = pd.read_parquet(folder / "holdout.parquet")
    holdout["probability"] = np.clip(holdout["probability"] + 0.001, 0, 1)
    holdout.to_parquet(folder / "holdout.parquet", index=False)
    forge(copied, "1.0.0", "holdout.parquet", (folder / "holdout.parquet").read_bytes())
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["all prospects"]["model"]["roc_auc"]["value"] = 0.5
    forge(copied, "1.0.0", "metrics.json", json.dumps(metrics).encode())
    forge(copied, "1.0.0", "booster.json", (folder / "booster.json").read_bytes() + b" ")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["packages"]["numpy"] = "1.0"
    manifest["platform"] = "an abacus"
    manifest["cpu"] = "wooden beads"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    forge(copied)
    found = reproduce_version(copied, "1.0.0")
    assert not found.identical
    assert not found.close
    assert found.booster is False
    assert found.metrics == ("all prospects / model / roc_auc / value",)
    assert found.largest_difference == pytest.approx(0.001)
    assert [text.split(" ")[0] for text in found.environment] == ["numpy", "platform", "cpu"]
    assert found.environment[-1] == f"cpu wooden beads → {cpu_model()}"


def test_a_version_of_code_that_knew_no_processor_says_nothing_of_it(copied):
    manifest = json.loads((copied.folder("1.0.0") / "manifest.json").read_text())
    assert manifest.pop("cpu") == cpu_model() != ""
    (copied.folder("1.0.0") / "manifest.json").write_text(json.dumps(manifest))
    forge(copied)
    assert reproduce_version(copied, "1.0.0").environment == ()


def test_without_its_snapshot_a_version_cannot_be_reproduced_and_the_snapshot_is_named(copied):
    name = copied.read().versions["1.0.0"].snapshot
    shutil.rmtree(copied.root / "snapshots" / name)
    with pytest.raises(SnapshotError, match=name):
        reproduce_version(copied, "1.0.0")


@pytest.mark.parametrize(
    ("changed", "identical", "close"),
    [
        ({}, True, True),
        ({"booster": None}, True, True),
        ({"booster": False}, False, True),
        ({"metrics": ("a",)}, False, True),
        ({"same_rows": False, "largest_difference": None}, False, False),
        ({"largest_difference": PROBABILITY_TOLERANCE}, False, True),
        ({"largest_difference": PROBABILITY_TOLERANCE * 1.01}, False, False),
        ({"environment": ("numpy 1 → 2",)}, True, True),
    ],
)
def test_a_version_is_the_same_where_every_bit_is_and_close_where_no_probability_is_far(
    changed, identical, close
):
    one = replace(Reproduction("1.0.0", True, (), True, 0.0, ()), **changed)
    assert (one.identical, one.close) == (identical, close)
    assert one.to_plain() == {**asdict(one), "identical": identical, "close": close}


def test_what_changed_around_a_training_is_told_from_then_to_now():
    then = {"packages": {"a": "1", "b": "1"}, "python": "3.11", "platform": "x", "threads": 1, "cpu": "one"}
    now = {"packages": {"b": "2", "c": "1"}, "python": "3.12", "platform": "x", "threads": 2, "cpu": "two"}
    assert _changes(then, now) == [
        "a 1 → none", "b 1 → 2", "c none → 1", "python 3.11 → 3.12", "threads 1 → 2", "cpu one → two",
    ]  # fmt: skip
    assert _changes(then, then) == []
    assert _changes({**then, "gpu": "A10"}, {**now, "gpu": ""})[-1] == "gpu A10 → none"
    assert _changes({**then, "workers": 2}, {**then, "workers": 3}) == ["workers 2 → 3"]
    del then["cpu"]
    assert _changes(then, {**then, "cpu": "two"}) == []


@pytest.mark.parametrize("changed", [None, "ids", "cutoff", "label", "rows"])
def test_rows_are_the_same_where_ids_cutoffs_and_outcomes_are(changed):
    class Rows(SimpleNamespace):
        def __len__(self):
            return self.company.size

    def rows(**changes):
        base = {"company": np.array([1, 0]), "cutoff": np.array([7, 14]), "label": np.array([True, False])}
        return Rows(**{**base, **changes})

    fit = SimpleNamespace(source=SimpleNamespace(ids=np.array(["x", "y"], dtype=object)), holdout=rows())
    known = pd.DataFrame({"id": ["y", "x"] if changed != "ids" else ["x", "y"]})
    other = {
        None: {}, "ids": {}, "cutoff": {"cutoff": np.array([7, 21])},
        "label": {"label": np.array([True, True])}, "rows": {"company": np.array([1])},
    }[changed]  # fmt: skip
    assert _same_rows(fit, rows(**other), known) == (changed is None)
