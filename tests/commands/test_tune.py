"""`mlsys tune` as a user runs it: killed, stopped, gone on with, and its file trained with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from ml_sys.experiments.study import JOURNAL, opened_study
from ml_sys.experiments.tuning import STUDIES
from ml_sys.sample.generator import generate
from tests import commandline, made
from tests.conftest import hear_ctrl_c

SETTINGS = """
threads = 1
[panel]
max_cutoffs = 4
[split]
validation_folds = 2
[tune]
cutoffs = 2
[model]
max_trees = 10
[report]
backtest = false
resampling = false
seeds = 0
[bootstrap]
resamples = 20
[score]
top = 7
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifacts folder with a snapshot that a trial on takes a second."""
    folder = tmp_path_factory.mktemp("small")
    generate(folder, companies=900, weeks=60, seed=11)
    made.snapshot(folder / "artifacts", folder)
    return folder / "artifacts"


@pytest.fixture
def place(small: Path, tmp_path: Path) -> Path:
    shutil.copytree(small, tmp_path / "artifacts")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mlsys.toml").write_text(SETTINGS)
    return tmp_path


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "ml_sys", *map(str, args)]


def run(place: Path, *args: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = commandline.run(*args, cwd=place)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    return done


def stopped(place: Path, how: signal.Signals, trials: int) -> subprocess.CompletedProcess[str]:
    """Run a long search and stop it in the middle of a trial, when so many are finished."""
    process = subprocess.Popen(
        command("--json", "tune", "--trials", 500),
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_ctrl_c,
    )  # fmt: skip
    until = time.monotonic() + 600
    while time.monotonic() < until and process.poll() is None:
        found = list((place / "artifacts" / STUDIES).glob(f"*/{JOURNAL}"))
        if found and found[0].read_text().count('"state":1') >= trials:
            break
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, how)
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return subprocess.CompletedProcess((), process.returncode, out, err)


@pytest.mark.slow
def test_a_killed_search_goes_on_where_it_was(place, tmp_path_factory):
    other = Path(shutil.copytree(place, tmp_path_factory.mktemp("undisturbed") / "place"))
    assert stopped(place, signal.SIGKILL, 2).returncode == -signal.SIGKILL
    (journal,) = (place / "artifacts" / STUDIES).glob(f"*/{JOURNAL}")
    ended = sum(journal.read_text().count(f'"state":{state}') for state in (1, 2))  # whole, or given up on
    killed = json.loads(run(place, "--json", "tune", "--trials", ended + 2).stdout)
    undisturbed = json.loads(run(other, "--json", "tune", "--trials", ended + 2).stdout)
    assert killed["trials"] == undisturbed["trials"]
    assert killed["pruned"] == undisturbed["pruned"]
    assert len(killed["trials"]) + killed["pruned"] == ended + 2


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(place):
    done = stopped(place, signal.SIGINT, 1)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["interrupted"] is True
    assert said["trials"]
    assert "run the same command to continue" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_was_found_is_a_settings_file_to_train_with(place):
    said = json.loads(run(place, "--json", "tune", "--trials", 4, "--out", "tuned.toml").stdout)
    text = (place / "tuned.toml").read_text()
    values = tomllib.loads(text)
    assert said["written"] == "tuned.toml"
    assert f"{said['best']:.4f}" in text
    assert values["score"] == {"top": 7}  # from the file in force, which it stands in for
    version = json.loads(run(place, "--json", "--config", "tuned.toml", "train").stdout)["version"]
    shown = json.loads(run(place, "--json", "models", "show", version).stdout)["set_otherwise"]
    best = said["trials"][0]
    assert best["average_precision"] == said["best"]
    for key, value in best["changed"].items():
        assert shown.get(key, value) == value
    again = run(place, "tune", "--trials", 4)
    for words in ("The best trials", "the current settings", "all before the holdout", "trial"):
        assert words in again.stdout


def test_a_folder_that_is_not_there_is_said_before_the_search(place):
    done = run(place, "tune", "--out", "no/such/tuned.toml", code=2)
    assert "its folder does not exist" in done.stderr
    assert not (place / "artifacts" / STUDIES).exists()


def test_a_study_in_which_another_process_searches_is_left_alone(place):
    run(place, "tune", "--trials", 1)
    (folder,) = (place / "artifacts" / STUDIES).iterdir()
    with opened_study(folder):
        assert "another process searches" in run(place, "tune", "--trials", 2, code=1).stderr
