"""An artifacts folder that cannot be written stops nobody who only reads."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.serve.conftest import FIRST, produce, serving


def tree(root):
    return {path: path.stat().st_mtime_ns for path in (root, *root.rglob("*"))}


@pytest.fixture(scope="module")
def read_only(versions, tmp_path_factory):
    """An artifacts folder with a version in production, in which nobody has the right to write."""
    root = shutil.copytree(versions, tmp_path_factory.mktemp("read-only") / "artifacts")
    produce(root, FIRST)
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tree(root)
    yield root
    for path in (root, *root.rglob("*")):
        path.chmod(0o755)
    assert tree(root).keys() == before.keys()


@pytest.fixture
def score(read_only, three_tables, bound_by_rights, tmp_path):
    """Score prospects, one of which is no row, from that folder."""
    prospects = tmp_path / "prospects.csv"
    prospects.write_text((three_tables / "noncustomers.csv").read_text() + '1,2,3\n"')

    def run(*options):
        command = [sys.executable, "-m", "ml_sys", "score", prospects, "--artifacts", read_only, *options]
        return subprocess.run(
            [*bound_by_rights, *map(str, command)],
            capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
        )  # fmt: skip

    return run


def test_score_gives_its_list_and_says_what_it_could_not_keep(score, tmp_path):
    done = score("--json", "--out", tmp_path / "list.csv")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prospects"] > 1000
    assert (tmp_path / "list.csv").is_file()
    (told,) = [line for line in done.stderr.splitlines() if "rejected rows" in line]
    assert told.startswith("warning: rejected rows could not be written: ")
    assert "Permission denied" in told


def test_a_list_that_cannot_be_recorded_is_shown_and_the_command_fails(score, read_only):
    done = score("--hand-out", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["list"]
    assert "error: the list is not recorded: " in done.stderr
    assert "Permission denied" in done.stderr
    assert ".tmp-" not in done.stderr
    assert "permissions" in done.stderr


def test_serve_answers_and_says_that_predictions_are_not_kept(read_only, bound_by_rights, prospects, some):
    with serving(read_only, behind=bound_by_rights) as server:
        told = [line for line in server.log.read_text().splitlines() if "not stored" in line]
        assert len(told) == 1
        assert f"{read_only}/outcomes.sqlite: Permission denied" in told[0]
        assert "serve.prediction_log_path" in told[0]
        assert server.predict({})["model_version"] == FIRST
        assert server.client.get(f"/companies/{prospects.id(some[0])}").status_code == 200
        assert server.metric("mlsys_prediction_log_failing") == 1


def test_predictions_are_kept_elsewhere_where_the_settings_say_so(read_only, bound_by_rights, tmp_path):
    path = tmp_path / "log" / "predictions.sqlite"
    with serving(read_only, behind=bound_by_rights, MLSYS_SERVE__PREDICTION_LOG_PATH=str(path)) as server:
        assert "not stored" not in server.log.read_text()
        server.predict({"id": "4711"})
        assert server.metric("mlsys_prediction_log_failing") == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT company FROM predictions").fetchall() == [("4711",)]


def test_a_log_that_was_named_and_cannot_be_written_stops_the_server(read_only, bound_by_rights, tmp_path):
    named = read_only / "own.sqlite"
    options = ["--port", "0", "--artifacts", read_only, "--set", f"serve.prediction_log_path={named}"]
    done = subprocess.run(
        [*bound_by_rights, sys.executable, "-m", "ml_sys", "serve", *map(str, options)],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"error: {named}: Permission denied" in done.stderr
