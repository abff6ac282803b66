"""Weeks played forward in this process, on tables cut off as of each Sunday."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from ml_sys.data.snapshot import latest
from ml_sys.errors import ExitCode
from ml_sys.jobs.models.train import train_version
from ml_sys.jobs.outcomes.weekly import LOCK, MESSAGE, WeeklyRequest, _trained_on, write_summary
from ml_sys.model.files.serialization import read_settings
from ml_sys.outcomes.store import opened_store
from ml_sys.project import Project
from ml_sys.registry.store import Registry
from ml_sys.settings import Settings
from ml_sys.text import date_of
from tests.engine import s3
from tests.made import NOW
from tests.report import test_week

CALLS = 20
ROLES = {"customers": "customers", "noncustomers": "noncustomers", "usage": "usage_actions"}
LOTTERY = ("--set", "experiment.design=lottery", "--capacity", CALLS)
CHEAP_FIT = ("--set", "features.windows_days=[28]", "--set", "split.validation_folds=2")
CHEAP_FIT += ("--set", "model.max_trees=5", "--set", "panel.step_days=28", "--set", "bootstrap.resamples=20")
CHEAP_FIT += ("--set", "report.backtest=false", "--set", "report.resampling=false", "--set", "report.seeds=0")


@pytest.fixture(scope="session")
def sundays(snapshot):
    """The Sundays before the data end, the last one first."""
    end = date.fromisoformat(date_of(snapshot.as_of))
    last = end - timedelta(days=(end.weekday() + 1) % 7)
    return [(last - timedelta(weeks=back)).isoformat() for back in range(12)]


@pytest.fixture(scope="session")
def played(three_tables, cheap_settings, sundays, once):
    """An artifacts folder with a version that knows nothing of the weeks that are played."""
    return once("played", lambda artifacts: made_before(artifacts, three_tables, cheap_settings, sundays[9]))


def files_in(tables):
    return {role: str(tables / f"{name}.csv") for role, name in ROLES.items()}


def made_before(artifacts, tables, settings, day):
    project = Project(artifacts, ingest__files=files_in(tables))
    project.ingest(as_of=day)
    here = settings.model_copy(update={"artifacts_dir": artifacts})
    train_version(Registry(artifacts), latest(artifacts), here, now=NOW)


@pytest.fixture
def place(played, tmp_path):
    return Path(shutil.copytree(played, tmp_path / "artifacts"))


@pytest.fixture
def week(mlsys, place, three_tables):
    """Run ``mlsys weekly`` as of a day; return what it said as JSON, or the finished command."""
    named = [f"--{role}={three_tables / f'{name}.csv'}" for role, name in ROLES.items()]

    def run(day, *more, design=LOTTERY, code=0, tables=named):
        done = mlsys("weekly", *tables, "--as-of", day, *design, "--json", *more, artifacts=place)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    return run


def snapshots(place):
    return sorted(path.name for path in (place / "snapshots").iterdir() if path.is_dir())


def lists(mlsys, place, *more):
    return json.loads(mlsys("lists", "--json", *more, artifacts=place).stdout)["lists"]


def test_weeks_played_forward_hand_a_list_out_each_and_say_what_they_brought(
    mlsys, place, week, sundays, snapshot, tmp_path
):
    page, summary = tmp_path / "impact.html", tmp_path / "week.md"
    told = [week(day, "--page", page, "--summary", summary) for day in sundays[8:5:-1]]
    assert [one["list"]["recorded"] for one in told] == ["new"] * 3
    assert [one["list"]["called"] for one in told] == [CALLS] * 3
    assert [len(one["list"]["first"]) for one in told] == [CALLS] * 3
    assert told[0]["list"]["since"] is None
    assert told[1]["list"]["since"]["list_id"] == told[0]["list"]["record"]["list_id"]
    assert [one["last_matured"] for one in told] == [None] * 3
    assert "wait for their outcome" in told[2]["sentence"]
    assert page.read_text().startswith("<!doctype html>")
    later = week(sundays[2], "--summary", tmp_path / "week.html")
    assert later["last_matured"]["calls"] == CALLS
    assert len(lists(mlsys, place)) == 4
    assert told[2]["list"]["record"]["list_id"] in summary.read_text()
    assert "The last list whose outcome is known" in (tmp_path / "week.html").read_text()
    # Usage is complete on Mondays: who paid from then to the Sunday is on no list.
    closed = dict(zip(snapshot.companies["id"], snapshot.closed.tolist(), strict=True))
    with opened_store(Settings(artifacts_dir=place)) as store:
        made = store.lists()
        entries = store.entries([one.list_id for one in made])
    paid = entries["entity_id"].map(closed) < entries["cutoff"] + 7
    assert paid.any()
    assert set(entries["group"][paid]) == {"paid since"}


def test_a_week_is_read_from_addresses_and_written_to_them(
    mlsys, place, week, sundays, three_tables, tmp_path
):
    outputs = {
        "--out": "list.csv",
        "--with-controls": "all.parquet",
        "--page": "page.html",
        "--summary": "week.md",
    }
    found = []
    with s3.s3_server("weeks"):
        for name in ROLES.values():
            s3.put(f"s3://weeks/{name}.csv", (three_tables / f"{name}.csv").read_bytes())
        there = [f"--{role}=s3://weeks/{name}.csv" for role, name in ROLES.items()]
        here = [f"--{role}={three_tables / f'{name}.csv'}" for role, name in ROLES.items()]
        for tables, root in ((there, "s3://weeks/out"), (here, str(tmp_path))):
            written = {flag: f"{root}/{name}" for flag, name in outputs.items()}
            told = week(sundays[8], *(f"{flag}={where}" for flag, where in written.items()), tables=tables)
            assert (told["list"]["out"], told["page"]) == (written["--out"], written["--page"])
            found.append(
                [s3.get(one) if root != str(tmp_path) else Path(one).read_bytes() for one in written.values()]
            )
        assert s3.names("s3://weeks/out") == sorted(outputs.values())
    assert told["list"]["recorded"] == "same"
    assert found[0][:2] == found[1][:2]
    assert all(found[0])


def test_the_same_week_again_is_the_same_list(mlsys, place, week, sundays):
    first = week(sundays[3])
    before, known = lists(mlsys, place), snapshots(place)
    again = week(sundays[3])
    assert again["list"]["recorded"] == "same"
    assert again["snapshot"]["is_new"] is False
    assert again["list"]["first"] == first["list"]["first"]
    assert (lists(mlsys, place), snapshots(place)) == (before, known)


def test_a_changed_week_needs_a_reason_to_replace_its_list(mlsys, place, week, sundays):
    first = week(sundays[3])["list"]["record"]["list_id"]
    fewer = (*LOTTERY[:2], "--capacity", CALLS // 2)
    refused = week(sundays[3], design=fewer, code=ExitCode.USAGE)
    assert "another list of" in refused
    assert "--replace" in refused
    assert "needs a reason" in week(sundays[3], "--replace", design=fewer, code=ExitCode.USAGE)
    assert [one["list_id"] for one in lists(mlsys, place)] == [first]
    told = week(sundays[3], "--replace", "--reason", "fewer callers", design=fewer)
    assert told["list"]["recorded"] == "replaced"
    assert [one["replaced_by"] for one in lists(mlsys, place, "--all")].count(None) == 1


def test_an_alarm_rings_and_the_list_is_handed_out_all_the_same(mlsys, place, week, sundays, tmp_path):
    summary = tmp_path / "week.md"
    told = week(sundays[3], "--set", "monitor.max_model_days=1", "--summary", summary, code=ExitCode.ALARM)
    assert len(told["alarms"]) == 1
    assert told["list"]["recorded"] == "new"
    assert "1 alarm rings: check before anyone calls." in summary.read_text()


def test_an_alarm_stops_the_list_where_settings_say_so(mlsys, place, week, sundays):
    stop = ("--set", "monitor.max_model_days=1", "--set", "weekly.stop_on_alarm=true")
    told = week(sundays[3], *stop, code=ExitCode.ALARM)
    assert told["list"] is None
    assert lists(mlsys, place) == []


def test_what_a_failing_step_leaves_done_is_completed_by_the_next_run(
    mlsys, place, week, sundays, three_tables, tmp_path
):
    blocked = tmp_path / "file"
    blocked.write_text("")
    failed = week(sundays[3], "--page", blocked / "impact.html", code=ExitCode.FAILED)
    assert str(blocked) in failed
    (before,) = lists(mlsys, place)
    told = week(sundays[3], "--page", tmp_path / "impact.html")
    assert told["list"]["recorded"] == "same"
    assert lists(mlsys, place) == [before]
    missing = [f"--customers={tmp_path / 'none.csv'}"]
    assert "none.csv" in week(sundays[2], code=ExitCode.FAILED, tables=missing)
    assert lists(mlsys, place) == [before]


@pytest.mark.slow  # trains another version
def test_a_list_stays_that_of_the_version_that_made_it(mlsys, place, week, sundays, three_tables):
    first = week(sundays[3])
    assert mlsys("train", *CHEAP_FIT, "--seed", 9, artifacts=place).returncode == 0
    second = mlsys("models", "--json", artifacts=place)
    version = max(one["version"] for one in json.loads(second.stdout)["versions"])
    moved = mlsys("promote", version, "--force", "--reason", "a test", artifacts=place)
    assert moved.returncode == 0, moved.stderr
    again = week(sundays[3])
    assert again["version"] == version
    assert again["list"]["recorded"] == "same"
    assert again["list"]["record"]["version"] == first["list"]["record"]["version"] == "1.0.0"
    assert any("made it" in note for note in again["list"]["notes"])


def test_a_second_week_waits_for_the_first_and_says_so(place, week, sundays):
    lock = FileLock(place / LOCK)
    lock.acquire()
    refused = week(sundays[3], "--set", "weekly.wait_seconds=0", code=ExitCode.FAILED)
    lock.release()
    assert "another `mlsys weekly` is running; waiting for it" in refused
    assert "wait for it" in refused
    assert week(sundays[3])["list"]["recorded"] == "new"


def test_a_project_plays_the_week_as_well(place, three_tables, sundays, tmp_path):
    project = Project(place, ingest__files=files_in(three_tables), bootstrap__resamples=50)
    done = project.weekly(WeeklyRequest(capacity=CALLS, out=tmp_path / "list.csv"), as_of=sundays[3])
    assert done.listed is not None
    assert done.listed.called == CALLS
    assert done.monitoring.cutoff == date_of(done.listed.record.cutoff)
    assert (tmp_path / "list.csv").exists()
    assert latest(place).id == done.ingested.id


@pytest.mark.slow  # two versions are trained, and one is judged
def test_a_week_that_retrains_promotes_a_better_version_through_the_gate(
    mlsys, week, place, three_tables, cheap_settings, sundays, tmp_path
):
    # Production has learnt from usage that belongs to other companies, and ranks by nothing.
    wrong = Path(shutil.copytree(three_tables, tmp_path / "wrong"))
    usage = pd.read_csv(wrong / "usage_actions.csv", dtype=str)
    ids = usage["id"].unique()
    usage["id"] = usage["id"].map(dict(zip(ids, np.random.default_rng(1).permutation(ids), strict=True)))
    usage.to_csv(wrong / "usage_actions.csv", index=False)
    shutil.rmtree(place)
    made_before(place, wrong, cheap_settings, sundays[9])
    mlsys("promote", "1.0.0", "--force", "--reason", "the first", artifacts=place)
    told = week(sundays[3], "--retrain", *CHEAP_FIT, "--set", "model.max_trees=30", code=ExitCode.ALARM)
    assert told["retrained"]["unmet"] == []
    assert told["retrained"]["promoted"] is True
    assert told["list"]["record"]["version"] == "1.0.0"
    assert week(sundays[2], code=ExitCode.DONE)["list"]["record"]["version"] == told["retrained"]["version"]


@pytest.mark.slow
def test_a_version_is_trained_once_a_week_and_the_gate_keeps_it_out(mlsys, place, week, sundays):
    asked = ("--retrain", "--set", "gate.min_positives=100000", *CHEAP_FIT)
    told = week(sundays[3], *asked, code=ExitCode.GATE_REFUSED)
    assert told["retrained"]["promoted"] is False
    assert told["retrained"]["unmet"]
    assert told["list"]["recorded"] == "new"
    again = week(sundays[3], *asked, code=ExitCode.GATE_REFUSED)
    assert again["retrained"] == told["retrained"]
    assert again["list"]["recorded"] == "same"
    assert len(json.loads(mlsys("models", "--json", artifacts=place).stdout)["versions"]) == 2


@pytest.mark.slow
def test_two_weeks_at_once_hand_out_one_list(mlsys, place, three_tables, sundays):
    tables = [f"--{role}={three_tables / f'{name}.csv'}" for role, name in ROLES.items()]
    words = ["weekly", *tables, "--as-of", sundays[3], *map(str, LOTTERY), "--json", "--artifacts", place]
    lock = FileLock(place / LOCK)
    lock.acquire()
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "ml_sys", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place.parent,
        )
        for _ in range(2)
    ]
    for one in both:
        assert one.stderr is not None
        assert "waiting for it" in one.stderr.readline()
    lock.release()
    told = [json.loads(one.communicate(timeout=300)[0]) for one in both]
    assert sorted(one["list"]["recorded"] for one in told) == ["new", "same"]
    assert len({one["list"]["record"]["list_id"] for one in told}) == 1
    assert len(lists(mlsys, place)) == 1


def test_until_there_is_a_model_the_rule_in_production_makes_the_list_of_the_week(
    mlsys, three_tables, sundays, tmp_path
):
    artifacts, summary = tmp_path / "artifacts", tmp_path / "week.md"
    named = [f"--{role}={three_tables / f'{name}.csv'}" for role, name in ROLES.items()]
    assert mlsys("ingest", *named, "--as-of", sundays[0], artifacts=artifacts).returncode == 0
    said = mlsys("promote", "--rule", "users", artifacts=artifacts)
    assert said.stdout == (
        'The rule "most users in 30 days" is in production: it ranks lists until a version is promoted.\n'
    )
    asked = ("weekly", *named, "--as-of", sundays[0], "--capacity", CALLS, "--summary", summary)
    done = mlsys(*asked, artifacts=artifacts)
    assert done.returncode == 0, done.stderr
    assert "There is no version to monitor" in done.stdout
    assert f'{CALLS} companies to call, nothing is promised by the rule "most users in 30 days".' in (
        " ".join(done.stdout.split())
    )
    assert "probability" not in done.stdout
    assert "| score |" in summary.read_text()
    told = json.loads(mlsys(*asked, "--json", artifacts=artifacts).stdout)
    assert told["version"] == "rule: most users in 30 days"
    assert told["list"]["recorded"] == "same"
    assert told["list"]["expected"] is None
    assert "rule: most users in 30 days" in mlsys("history", artifacts=artifacts).stdout
    assert json.loads(mlsys("models", "--json", artifacts=artifacts).stdout)["production"] == told["version"]


summarised = test_week.week  # a fixture


@pytest.mark.parametrize(
    ("name", "is_page"), [("a.html", True), ("a.HTM", True), ("a.md", False), ("html", False)]
)
def test_a_summary_is_a_page_where_its_name_ends_so(summarised, tmp_path, name, is_page):
    write_summary(summarised, tmp_path / name)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>" if is_page else "# The week of 2020-03-09")


class Weekly(Registry):
    """A registry in which some versions were trained by a week."""

    trained = ()

    def open(self, version):
        return super().open("1.0.0" if version == "1.0.1" else version)  # its copy, settings and all

    def read(self):
        index = super().read()
        theirs = {name: replace(index.versions[name], message=MESSAGE) for name in self.trained}
        return replace(index, versions={**index.versions, **theirs})


@pytest.mark.parametrize(
    ("trained", "seed", "snapshot_id", "found"),
    [
        ((), None, None, None),
        (("1.0.0",), None, None, "1.0.0"),
        (("1.0.0", "1.0.1"), None, None, "1.0.1"),  # the latest of them
        (("1.0.0", "1.1.0"), None, None, "1.0.0"),  # the other has settings of its own
        (("1.0.0",), 99, None, None),
        (("1.0.0",), None, "0" * 16, None),
    ],
)
def test_a_week_has_trained_where_its_version_has_the_same_snapshot_and_settings(
    several, snapshot, trained, seed, snapshot_id, found
):
    registry = Weekly(several)
    registry.trained = trained
    settings = read_settings(registry.open("1.0.0"))
    settings = settings if seed is None else settings.model_copy(update={"seed": seed})
    assert _trained_on(registry, settings, snapshot_id or snapshot.id) == found
