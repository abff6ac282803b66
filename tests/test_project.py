"""The Python API gives what the commands give, to the bit."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import is_dataclass
from datetime import date, timedelta
from pathlib import Path
from shutil import copy, copytree

import pandas as pd
import pytest

import ml_sys
from ml_sys import Project
from ml_sys.errors import ArtifactError, ResolveError, SettingsError, UsageError
from ml_sys.model.files.layout import BOOSTER, SETTINGS
from ml_sys.resolve import resolve
from ml_sys.text import date_of
from ml_sys.views.frame.cells import plain
from tests.conftest import RunCommand


def said(result: object) -> object:
    """What a result is as JSON, by which a command's output is compared with it."""
    return json.loads(json.dumps(plain(result), default=str))


@pytest.fixture
def place(registered: Path, tmp_path: Path) -> Path:
    """A folder with a snapshot, version 1.0.0, and the settings that it was made by."""
    copytree(registered, tmp_path / "artifacts")
    copy(registered / "models" / "1.0.0" / SETTINGS, tmp_path / "quick.toml")
    return tmp_path


@pytest.fixture
def project(place: Path) -> Project:
    return Project(place / "artifacts", config=place / "quick.toml")


@pytest.fixture
def command(mlsys: RunCommand, place: Path):
    """Run a command on the same folder and settings; what it prints as JSON."""

    def run(*args: object, code: int = 0) -> object:
        done = mlsys(*args, "--json", "--config", place / "quick.toml", artifacts=place / "artifacts")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    return run


def test_importing_the_package_loads_nothing_else_of_it():
    asked = (
        "import sys, ml_sys; print([m for m in sys.modules if m.startswith(('ml_sys.', 'pandas', 'numpy'))])"
    )
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_package_offers_the_project_and_nothing_that_it_does_not_have():
    assert Project.__module__ == "ml_sys.project"
    with pytest.raises(AttributeError, match="Projekt"):
        _ = ml_sys.Projekt


def test_every_public_method_says_what_it_does_and_names_its_types():
    found = inspect.getmembers(Project, inspect.isfunction)
    methods = {name: one for name, one in found if name[0] != "_"}
    assert set(methods) == {
        *("sample", "ingest", "train", "evaluate", "backtest", "compare"),
        *("promote", "promote_rule", "rollback", "score", "weekly", "models", "report"),
        *("impact", "plan", "monitor"),
    }
    for name, method in methods.items():
        signature = inspect.signature(method)
        assert inspect.getdoc(method), name
        assert signature.return_annotation is not signature.empty, name
        assert all(
            one.annotation is not one.empty for key, one in signature.parameters.items() if key != "self"
        )


def test_a_misspelt_setting_is_named_with_the_nearest_one():
    with pytest.raises(SettingsError) as caught:
        Project(model__max_tree=10)
    assert "model__max_tree" in caught.value.message
    assert "model__max_trees" in caught.value.hint
    assert caught.value.__notes__ == [caught.value.hint]  # what a traceback shows below the message


def test_arguments_stand_above_the_file_and_the_environment(place, monkeypatch):
    monkeypatch.setenv("MLSYS_SEED", "5")
    monkeypatch.setenv("MLSYS_THREADS", "3")
    settings = Project(place / "artifacts", config=place / "quick.toml", seed=7).settings
    assert (settings.seed, settings.threads, settings.model.max_trees) == (7, 3, 16)
    assert settings.artifacts_dir == place / "artifacts"


def test_a_sample_and_a_snapshot_are_those_of_the_commands(project, command, place):
    written = said(project.sample(place / "mine", companies=300, weeks=20))
    printed = command("sample", place / "theirs", "--companies", 300, "--weeks", 20)
    names = ("customers", "noncustomers", "usage_actions")
    for name in (*names, "truth"):
        assert (place / "mine" / f"{name}.csv").read_bytes() == (
            place / "theirs" / f"{name}.csv"
        ).read_bytes()
    assert {**written, "folder": ""} == {**printed, "folder": ""}
    tables = [place / "mine" / f"{name}.csv" for name in names]
    flags = zip(("--customers", "--noncustomers", "--usage"), tables, strict=True)
    steps = []
    project = Project(
        place / "artifacts", config=place / "quick.toml", on_step=lambda *step: steps.append(step)
    )
    found = said(project.ingest(*tables))
    assert found == {**command("ingest", *(word for pair in flags for word in pair)), "is_new": True}
    assert steps


@pytest.fixture
def trained_twice(project, command):
    """Version 1.0.1 by the API and 1.0.2 by the command, from the same snapshot and settings."""
    mine = project.train(quick=True, message="by hand")
    theirs = command("train", "--quick", "--message", "by hand")
    return mine, theirs


def test_a_version_trained_here_is_the_one_that_the_command_trains(project, trained_twice, place):
    mine, theirs = trained_twice
    ours = said(mine)
    told = ("version", "folder", "changes")
    assert {**ours, **dict.fromkeys(told)} == {**theirs, **dict.fromkeys(told)}
    models = place / "artifacts" / "models"
    assert mine.folder == models / ours["version"]
    booster, other = (models / version["version"] / BOOSTER for version in (ours, theirs))
    assert booster.read_bytes() == other.read_bytes()
    assert "average_precision" in mine._repr_html_()
    assert mine.entry.message == "by hand"
    assert list(project.models().index) == ["1.0.0", ours["version"], theirs["version"]]


def test_an_evaluation_is_that_of_the_command(project, command, three_tables):
    found = project.evaluate(truth=three_tables / "truth.csv")
    assert said(found) == command("evaluate", "--truth", three_tables / "truth.csv")
    value = found.table.loc[("all prospects", "model", "average_precision"), "value"]
    assert value == found.evaluation["all prospects"]["model"]["average_precision"].value
    assert "Version 1.0.0" in found._repr_html_()
    assert "average_precision" in found._repr_html_()


def test_a_list_is_that_of_the_command(project, command, three_tables, place):
    prospects = three_tables / "noncustomers.csv"
    mine = project.score(prospects, capacity=25, out=place / "mine.csv")
    theirs = command("score", prospects, "--capacity", 25, "--out", place / "theirs.csv")
    assert (place / "mine.csv").read_bytes() == (place / "theirs.csv").read_bytes()
    assert said(mine)["capacity"] == theirs["capacity"]
    assert said(mine)["worth"] == theirs["worth"]
    written = pd.read_csv(place / "mine.csv", dtype={"id": str})
    assert list(mine.table["id"].astype(str)) == list(written["id"])
    assert (mine.table["probability"].to_numpy() == written["probability"].to_numpy()).all()
    assert "probability" in mine._repr_html_()
    assert len(mine._repr_html_()) < 20_000


def test_a_list_without_a_file_ranks_all_that_are_free_in_the_snapshot(project, command, snapshot):
    free = int((snapshot.closed >= snapshot.as_of).sum())
    assert command("score", "--top", 3)["prospects"] == len(project.score().table) == free


def test_a_list_takes_its_day_as_text_or_date(project, three_tables):
    prospects = three_tables / "noncustomers.csv"
    texts = project.score(prospects, as_of="2020-03-02").table
    pd.testing.assert_frame_equal(texts, project.score(prospects, as_of=date(2020, 3, 2)).table)
    with pytest.raises(UsageError, match="as_of: 'soon' is not a valid date"):
        project.score(prospects, as_of="soon")


def test_promotion_and_rollback_are_those_of_the_commands(project, command):
    judged = project.promote("1.0.0", dry_run=True)
    assert said(judged) == command("promote", "1.0.0", "--dry-run", code=3 * judged.refused)
    assert not judged.promoted
    assert project.promote("1.0.0", force=True, reason="for the test").promoted
    assert list(project.models()["status"]) == ["production"]
    with pytest.raises(ArtifactError, match="no earlier production version"):
        project.rollback()


def test_criteria_laxer_than_the_settings_file_are_not_passed_unforced(place):
    lax = Project(place / "artifacts", config=place / "quick.toml", gate__max_calibration_error=1.0)
    verdict = lax.promote("1.0.0", dry_run=True).verdict
    assert verdict is not None
    assert not verdict.passed


def test_versions_are_a_table_with_the_figures_of_the_command(project, command):
    table, printed = project.models(), command("models")["versions"]
    assert list(table.index) == [one["version"] for one in printed]
    for name, value in printed[0]["metrics"].items():
        assert table.loc["1.0.0", name] == value
    assert table.loc["1.0.0", "data_through"] == printed[0]["data_through"]


def test_no_versions_are_an_empty_table(tmp_path):
    assert Project(tmp_path / "none").models().empty


def test_a_report_is_the_page_that_was_written_and_its_figures(project, place):
    found = project.report()
    folder = place / "artifacts" / "models" / "1.0.0"
    assert found.version == "1.0.0"
    assert found.page == (folder / "report.html").read_text()
    assert found.figures == json.loads((folder / "evidence.json").read_text())
    assert found._repr_html_().startswith("<iframe srcdoc=")
    assert "<html" not in found._repr_html_()  # its tags are escaped, so that the frame holds them


@pytest.mark.slow
def test_past_lists_and_comparisons_are_those_of_the_commands(place, command):
    few = {"backtest__every_days": 56, "backtest__retrain_days": 112, "engine__workers": 1}
    project = Project(place / "artifacts", config=place / "quick.toml", **few)
    flags = ("--every-days", 56, "--retrain-days", 112, "--jobs", 1)
    mine = project.backtest()
    theirs = command("evaluate", "--backtest", *flags)
    assert {**said(mine), "remembered": 0} == {**theirs, "remembered": 0}
    assert list(mine.table.index) == [one["cutoff"] for one in theirs["cutoffs"]]
    assert "average_precision" in mine._repr_html_()
    (place / "shallow.toml").write_text((place / "quick.toml").read_text() + "\n")
    compared = project.compare("1.0.0", place / "shallow.toml")
    assert said(compared) == command("compare", "1.0.0", place / "shallow.toml", *flags)
    assert "average_precision" in compared._repr_html_()


def test_results_are_frozen(project):
    found = project.evaluate()
    assert is_dataclass(found)
    with pytest.raises(AttributeError):
        found.version = "2.0.0"


def test_an_artifacts_folder_cannot_bring_code_along(tmp_path, monkeypatch):
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "brought.py").write_text("Estimator = 1\n")
    Project(tmp_path / "artifacts")
    monkeypatch.syspath_prepend(tmp_path / "artifacts")
    with pytest.raises(ResolveError, match="brought"):
        resolve("brought:Estimator")


def test_the_examples_of_the_manual_run_in_their_order(place, three_tables, monkeypatch):
    text = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLSYS_CONFIG", "quick.toml")
    for name, value in {"BACKTEST__RETRAIN_DAYS": "112", "ENGINE__WORKERS": "1"}.items():
        monkeypatch.setenv(f"MLSYS_{name}", value)
    (place / "mydata").symlink_to(three_tables)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "python.md", "exec"), names)  # noqa: S102 - an example of ours
    assert len(names["listed"].table) > 1000
    assert set(names["found"]) == {2, 4}
    assert names["promotion"].verdict is not None


def test_what_lists_brought_is_what_the_command_says(project, command, place, three_tables):
    prospects = three_tables / "noncustomers.csv"
    Project(place / "artifacts", config=place / "quick.toml", score__hand_out=True).score(prospects)
    page = place / "impact.html"
    found = project.impact(since="2020-01-01", page=page)
    assert said(found) == command("impact", "--since", "2020-01-01", "--page", page)
    assert len(found.impact.lists) == 1
    with pytest.raises(UsageError, match="as_of is about a file of customers"):
        project.impact(as_of="2020-05-01")


@pytest.mark.slow  # simulates
def test_what_an_experiment_needs_is_what_the_command_says(project, command):
    found = project.plan(capacity=40, effect=3)
    assert said(found) == command("experiment", "plan", "--capacity", 40, "--effect", 3)
    assert [one.design.kind for one in found.designs].count("holdout") == 1


def test_a_monitoring_is_what_the_command_says(project, command, snapshot):
    day = date.fromisoformat(date_of(snapshot.as_of))
    found = project.monitor(on=day)
    assert said(found) == command("monitor", "--on", day)
    late = project.monitor(on=day + timedelta(days=7))
    assert [one.name for one in late.alarms] == ["days since usage ends"]
