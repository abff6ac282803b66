"""Versions in MLflow: what is logged, that no other host is asked, and what becomes of a failure."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from ml_sys.data.snapshot import latest
from ml_sys.errors import ResolveError, TrackingError
from ml_sys.jobs.models import mlflow
from ml_sys.jobs.models.train import train_version
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.registry.store import Registry
from ml_sys.settings import Settings
from ml_sys.settings.tree import entries
from tests import commandline
from tests.registry.versions import small_entry

needs_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="an extra")
# Importing urllib3 asks the loopback interface whether it speaks IPv6; nothing else may want a socket.
WATCH = """
import os, sys

def watch(event, arguments):
    asked = event == "socket.bind" and arguments[1][0] == "::1"
    if event.startswith("socket.") and event not in {"socket.gethostname", "socket.__new__"} and not asked:
        with open(os.environ["SEEN_SOCKETS"], "a") as file:
            file.write(f"{event} {arguments}\\n")
        raise OSError("no host may be asked")

sys.addaudithook(watch)
"""


@pytest.fixture
def environment(monkeypatch):
    """What opening a tracker sets is gone after the test."""
    for name in (*mlflow._SILENCE, *mlflow._PATIENCE, mlflow.ADDRESS, "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture(scope="module")
def version(ingested, cheap_settings, tmp_path_factory):
    root = Path(shutil.copytree(ingested, tmp_path_factory.mktemp("tracked") / "artifacts"))
    settings = cheap_settings.model_copy(update={"artifacts_dir": root})
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return train_version(Registry(root), latest(root), settings, now=now, message="the first"), settings


@needs_mlflow
def test_a_version_is_logged_with_its_settings_metrics_and_files(environment, version, tmp_path):
    result, settings = version
    tracker = mlflow.open_tracker(str(tmp_path / "runs"), "conversions")
    run = tracker.client.get_run(mlflow.log_version(tracker, result, settings))
    data, info = run.data, run.info
    assert (info.run_name, info.status) == ("1.0.0", "FINISHED")
    assert tracker.client.get_experiment(info.experiment_id).name == "conversions"

    assert data.params["model.params.learning_rate"] == "0.1"
    assert data.params["label.horizon_days"] == "30"
    told = {key for key in entries(settings) if mlflow._is_told(key)}
    assert set(data.params) == told
    assert not any(key.startswith(("serve.", "registry.", "artifacts_dir")) for key in told)

    assert data.tags["snapshot"] == result.entry.snapshot
    assert data.tags["version"] == "1.0.0"
    assert data.tags["mlflow.note.content"] == "the first"
    assert data.tags["horizon_days"] == "30"

    assert data.metrics == dict(mlflow.flat_metrics(result.evaluation))
    assert data.metrics["all_prospects/model/roc_auc"] > 0.5
    assert all(math.isfinite(value) for value in data.metrics.values())

    kept = Path(tracker.client.download_artifacts(info.run_id, mlflow.ARTIFACTS))
    assert {one.name for one in kept.iterdir()} == {one.name for one in result.folder.iterdir()}
    for one in kept.iterdir():
        assert one.read_bytes() == (result.folder / one.name).read_bytes()


@needs_mlflow
def test_a_second_version_is_a_second_run_of_the_same_experiment(environment, version, tmp_path):
    runs = {
        mlflow.log_version(mlflow.open_tracker(str(tmp_path / "runs"), "mlsys"), *version) for _ in range(2)
    }
    tracker = mlflow.open_tracker(str(tmp_path / "runs"), "mlsys")
    assert {one.info.run_id for one in tracker.client.search_runs([tracker.experiment])} == runs


@needs_mlflow
@pytest.mark.parametrize(
    ("uri", "variable", "address"),
    [
        ("runs", "", "runs"),
        ("", "", mlflow.FOLDER),
        ("", "file:{here}/elsewhere", "elsewhere"),
        ("file:{here}/runs", "file:{here}/elsewhere", "runs"),
    ],
)
def test_the_setting_goes_before_the_variable_and_that_before_a_folder_here(
    environment, monkeypatch, tmp_path, uri, variable, address
):
    monkeypatch.chdir(tmp_path)
    if variable:
        monkeypatch.setenv(mlflow.ADDRESS, variable.format(here=tmp_path))
    mlflow.open_tracker(uri.format(here=tmp_path), "mlsys")
    assert [one.name for one in tmp_path.iterdir()] == [address]


@needs_mlflow
def test_an_address_that_does_not_answer_is_said_at_once(environment, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as bound:  # and nobody listens
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(TrackingError, match=address) as caught:
            mlflow.open_tracker(address, "mlsys")
    assert "\n" not in caught.value.message


@needs_mlflow
def test_a_run_that_fails_half_way_is_marked_as_failed(environment, version, tmp_path):
    result, settings = version
    tracker = mlflow.open_tracker(str(tmp_path / "runs"), "mlsys")
    shutil.rmtree(tmp_path / "runs" / tracker.experiment)
    with pytest.raises(TrackingError, match="MLflow cannot log there"):
        mlflow.log_version(tracker, result, settings)

    def full(*arguments):
        raise OSError("no space left")

    tracker = mlflow.open_tracker(str(tmp_path / "other"), "mlsys")
    tracker.client.log_artifacts = full
    with pytest.raises(TrackingError, match="no space left"):
        mlflow.log_version(tracker, result, settings)
    (run,) = tracker.client.search_runs([tracker.experiment])
    assert run.info.status == "FAILED"


def test_without_mlflow_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(mlflow, "find_spec", lambda name: None)
    with pytest.raises(ResolveError, match="MLflow is not installed") as caught:
        mlflow.open_tracker("", "mlsys")
    assert caught.value.hint == 'pip install "ml-sys[mlflow]"'


@pytest.fixture
def place(ingested, tmp_path):
    shutil.copytree(ingested, tmp_path / "artifacts")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mlsys.toml").write_text(
        "threads = 1\n[panel]\nstep_days = 28\n[features]\nwindows_days = [28]\n"
        "[split]\nvalidation_folds = 2\n[model]\nmax_trees = 8\n[bootstrap]\nresamples = 20\n"
        "[report]\nbacktest = false\nresampling = false\nseeds = 0\n"
    )
    return tmp_path


def train(place, *args, **environment):
    # Telemetry is off in CI and in tests anyway: here it must be our own doing.
    plain = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_CURRENT_TEST"}}
    done = subprocess.run(
        [sys.executable, "-m", "ml_sys", "--json", "train", *args],
        cwd=place, capture_output=True, text=True, timeout=300, check=False,
        env={**plain, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.slow
@needs_mlflow
def test_train_logs_to_a_folder_and_asks_no_host(place):
    (place / "watch").mkdir()
    (place / "watch" / "sitecustomize.py").write_text(WATCH)
    (place / "seen").write_text("")
    path = f"{place / 'watch'}{os.pathsep}{Path(__file__).parents[3]}"
    done = train(place, "--mlflow", PYTHONPATH=path, SEEN_SOCKETS=str(place / "seen"))
    assert (place / "seen").read_text() == ""
    assert json.loads(done.stdout)["version"] == "1.0.0"  # and nothing else on stdout
    assert "logged to MLflow" in done.stderr
    assert list((place / mlflow.FOLDER).glob("*/*/artifacts/version/card.md"))


@pytest.mark.slow
@needs_mlflow
def test_a_version_that_cannot_be_logged_is_kept(environment, place, monkeypatch):
    def gone(*arguments):
        raise OSError("the store is gone")

    monkeypatch.setattr("mlflow.MlflowClient.log_artifacts", gone)
    done = commandline.run("--json", "train", "--mlflow-uri", "runs", cwd=place)
    assert done.returncode == 1
    assert json.loads(done.stdout)["version"] == "1.0.0"
    assert "version 1.0.0 is registered, but was not logged" in done.stderr
    assert Registry(place / "artifacts").open("1.0.0").manifest["entry"]["version"] == "1.0.0"


@needs_mlflow
def test_a_wrong_address_is_said_before_anything_is_trained(environment, place):
    (place / "file").write_text("no folder")
    done = commandline.run("--json", "train", "--mlflow-uri", "file", cwd=place)
    assert (done.returncode, done.stdout) == (1, "")
    assert "MLflow cannot log there" in done.stderr
    assert not Registry(place / "artifacts").read().versions


def test_figures_are_flat_under_names_that_mlflow_allows_and_finite():
    found = {
        "all prospects": {"most users": {"roc auc": Estimate(0.5, 0, 1), "f1": Estimate(math.nan, 0, 1)}},
        "seen": {"model": {"brier": Estimate(0.25, 0, 1), "lift": Estimate(math.inf, 0, 1)}},
    }
    assert list(mlflow.flat_metrics(found)) == [
        ("all_prospects/most_users/roc_auc", 0.5), ("seen/model/brier", 0.25),
    ]  # fmt: skip


def test_tags_say_where_a_version_came_from_and_none_is_empty():
    entry = replace(small_entry("1.0.0"), seal="abc")
    result = SimpleNamespace(entry=entry, git={"commit": "c0ffee", "dirty": True})
    expected = {
        "version": "1.0.0",
        "status": "candidate",
        "changes": "first version",
        "snapshot": "0" * 16,
        "horizon_days": "30",
        "seal": "abc",
        "mlflow.source.git.commit": "c0ffee",
        "git_dirty": "true",
    }
    assert mlflow._tags(result, Settings()) == expected
    noted = SimpleNamespace(entry=replace(entry, message="a note"), git={})
    del expected["mlflow.source.git.commit"], expected["git_dirty"]
    assert mlflow._tags(noted, Settings()) == {**expected, "mlflow.note.content": "a note"}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("model.params.max_depth", True), ("seed", True), ("artifacts_dir", False), ("serve.port", False),
        ("mlflow.tracking_uri", False), ("registry.keys", False), ("ingest.as_of", False),
    ],
)  # fmt: skip
def test_addresses_keys_and_folders_are_not_logged(key, told):
    assert mlflow._is_told(key) == told


def test_a_folder_is_named_by_a_uri_and_an_address_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mlflow._address("mlruns") == (tmp_path / "mlruns").as_uri()
    assert mlflow._address("http://there:5000") == "http://there:5000"
