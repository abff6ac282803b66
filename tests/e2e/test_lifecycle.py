"""From three tables to a list and back to the version before, by the command line alone.

One chain of commands is run once; each test reads what a part of it left behind.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests import commandline

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = """
threads = 1
[panel]
step_days = 14
[features]
windows_days = [28]
[split]
validation_folds = 2
[model]
max_trees = 12
early_stopping_rounds = 10
[model.params]
learning_rate = 0.2
[report]
backtest = false
resampling = false
seeds = 0
[engine]
workers = 1
[bootstrap]
resamples = 20
"""


class Workplace:
    """A folder with a settings file in which commands are run; keeps what each of them said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: dict[str, subprocess.CompletedProcess[str]] = {}
        (folder / "conf").mkdir()
        (folder / "conf" / "mlsys.toml").write_text(SETTINGS)

    def command(self, *args: object) -> list[str]:
        return [sys.executable, "-m", "ml_sys", *map(str, args)]

    def run(self, *args: object, name: str = "", code: int = 0, hash_seed: str = ""):
        """Run a command here, or in a process of its own where one is started with a hash seed."""
        if hash_seed:
            done = subprocess.run(
                self.command(*args),
                capture_output=True, text=True, cwd=self.folder, timeout=300, check=False,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
            )  # fmt: skip
        else:
            done = commandline.run(*args, cwd=self.folder)
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        if name:
            self.said[name] = done
        return done

    def json(self, name: str):
        return json.loads(self.said[name].stdout)

    def version(self, version: str) -> Path:
        return self.folder / "artifacts" / "models" / version


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """sample → ingest → train twice → evaluate → promote → score → models → rollback → history → verify."""
    place = Workplace(tmp_path_factory.mktemp("chain"))
    tables = ["--customers", "tables/customers.csv", "--noncustomers", "tables/noncustomers.csv"]
    tables += ["--usage", "tables/usage_actions.csv"]
    place.run("sample", "tables", "--companies", 2500, "--weeks", 60, "--seed", 5, "--json", name="sample")
    place.run("ingest", *tables, "--json", name="ingest")
    place.run("ingest", *tables, name="ingest again")
    place.run("train", "--json", "--message", "the first", name="train")
    place.run("train", name="train again", hash_seed="4711")
    place.run("evaluate", "1.0.0", "--json", name="evaluate")
    place.run("promote", "1.0.0", name="promote")
    place.run("promote", "1.0.1", "--json", name="promote again")
    place.run("score", "tables/noncustomers.csv", "--top", 8, name="score")
    place.run(
        "score",
        "tables/noncustomers.csv",
        "--out",
        "lists/list.csv",
        "--capacity",
        40,
        "--json",
        name="score out",
    )
    place.run("models", "--json", name="models")
    place.run("rollback", "--json", "--reason", "the call centre objects", name="rollback")
    place.run("history", "--json", name="history")
    place.run("models", "show", "1.0.0", "--json", name="show")
    place.run("models", "diff", "1.0.0", "1.0.1", "--json", name="diff")
    place.run("verify", "--all", "--json", name="verify")
    return place


def test_every_command_of_the_chain_keeps_stdout_for_its_result(chain):
    for name, done in chain.said.items():
        assert done.stdout, name
        assert "note:" not in done.stdout, name
        assert "warning:" not in done.stdout, name


def test_json_is_all_there_is_on_stdout(chain):
    plain = {"ingest again", "train again", "promote", "score"}
    for name in chain.said.keys() - plain:
        assert isinstance(chain.json(name), dict), name


def test_the_sample_says_what_it_wrote(chain):
    said = chain.json("sample")
    with (chain.folder / "tables" / "usage_actions.csv").open() as file:
        assert said["usage_rows"] == sum(1 for _ in file) - 1
    assert said["customers"] + said["noncustomers"] == said["companies"] == 2500


def test_the_same_tables_are_the_same_snapshot(chain):
    said = chain.json("ingest")
    assert said["is_new"]
    for table in said["tables"].values():
        not_taken = sum(table["rejected"].values()) + sum(table["merged"].values())
        assert table["accepted"] + not_taken == table["read"]
    assert f"Snapshot {said['id']} (recognised" in chain.said["ingest again"].stdout
    assert len([path for path in (chain.folder / "artifacts" / "snapshots").iterdir() if path.is_dir()]) == 1


def test_training_says_what_it_learnt_from_and_how_it_did(chain):
    said = chain.json("train")
    assert said["version"] == "1.0.0"
    assert said["snapshot"] == chain.json("ingest")["id"]
    training, holdout = said["training"], said["holdout"]
    assert max(training["cutoffs"]) < min(holdout["cutoffs"])
    assert training["positives_after_resampling"] >= training["positives"] > 20
    model = said["metrics"]["all prospects"]["model"]
    assert 0.6 < model["roc_auc"]["value"] <= 1
    assert model["average_precision"]["value"] > 2 * model["conversion_rate"]["value"]


def test_the_same_seed_gives_the_same_bytes_in_two_processes(chain):
    assert "Version 1.0.1 (patch: same data and settings, trained again)" in chain.said["train again"].stdout
    for name in ("booster.json", "metrics.json", "scorer.json", "settings.toml"):
        one, other = ((chain.version(v) / name).read_bytes() for v in ("1.0.0", "1.0.1"))
        assert one == other, name
    one, other = (pd.read_parquet(chain.version(v) / "holdout.parquet") for v in ("1.0.0", "1.0.1"))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_evaluate_reproduces_the_metrics_that_training_printed(chain):
    said = chain.json("evaluate")
    assert said["identical"]
    assert said["metrics"] == chain.json("train")["metrics"]


def test_promotions_and_the_rollback_say_what_moved(chain):
    assert chain.said["promote"].stdout.endswith("Version 1.0.0 is in production.\n")
    said = chain.json("promote again")
    assert (said["production"], said["replaced"], said["promoted"]) == ("1.0.1", "1.0.0", True)
    assert said["verdict"]["conclusion"] == "no worse"
    assert chain.json("rollback") == {"production": "1.0.0", "left": "1.0.1"}
    statuses = {entry["version"]: entry["status"] for entry in chain.json("models")["versions"]}
    assert statuses == {"1.0.0": "archived", "1.0.1": "production"}
    assert chain.json("models")["versions"][0]["message"] == "the first"


def test_every_criterion_of_the_gate_is_shown_with_its_figures(chain):
    shown = chain.said["promote"].stdout
    for name in (
        "files verify",
        "leak canaries passed",
        "enough converters",
        "better than chance",
        "calibrated",
    ):
        assert re.search(rf"│ [^│]*{name}[^│]*│ passed │ [^│]+ │ [^│]+ │", shown), name
    assert re.search(r"│ [^│]*simple rules[^│]*│ (passed|noted)\s*│ [^│]+ │ [^│]+ │", shown)


def test_the_history_says_who_did_what_and_on_what_verdict(chain):
    records = chain.json("history")["records"]
    assert [(one["action"], one["version"], one["replaced"]) for one in records] == [
        ("add", "1.0.0", None),
        ("add", "1.0.1", None),
        ("promote", "1.0.0", None),
        ("promote", "1.0.1", "1.0.0"),
        ("rollback", "1.0.0", "1.0.1"),
    ]
    assert records[3]["verdict"]["champion"] == "1.0.0"
    assert records[4]["reason"] == "the call centre objects"
    assert all("@" in one["by"] for one in records)


def test_what_was_live_at_a_time_is_said_with_its_verdict(chain):
    records = chain.json("history")["records"]
    then = json.loads(chain.run("history", "--at", records[3]["at"], "--json").stdout)
    assert then["production"] == "1.0.1"
    assert then["record"]["verdict"]["passed"] is True
    assert "1.0.1 was in production at" in chain.run("history", "--at", records[3]["at"]).stdout
    assert "No version was in production at 2001-02-03" in chain.run("history", "--at", "2001-02-03").stdout
    assert "is not a valid time" in chain.run("history", "--at", "noon", code=2).stderr


def test_models_say_when_they_were_served(chain):
    by_version = {
        one["version"]: one["served"] for one in json.loads(chain.run("models", "--json").stdout)["versions"]
    }
    assert [period["until"] is None for period in by_version["1.0.0"]] == [False, True]
    assert [period["until"] is None for period in by_version["1.0.1"]] == [False]
    assert " since " in chain.run("models").stdout


def test_a_version_is_shown_whole(chain):
    said, table = chain.json("show"), chain.run("models", "show", "1.0.0").stdout
    assert said["entry"]["message"] == "the first"
    assert said["set_otherwise"]["model.params.learning_rate"] == 0.2
    assert [one["action"] for one in said["promotions"]] == ["promote", "rollback"]
    assert said["metrics"] == chain.json("train")["metrics"]
    assert said["canaries"] == chain.json("train")["canaries"]
    for words in (
        "the first",
        "learning_rate",
        "later usage deleted",
        "the call centre objects",
        "ROC-AUC",
    ):
        assert words in table


def test_a_copy_differs_in_nothing(chain):
    said = chain.json("diff")
    assert said["settings"] == said["data"] == {}
    assert said["same_holdout"] is True
    assert "have the same settings, features and data" in chain.run("models", "diff", "1.0.0", "1.0.1").stdout


def test_verification_passes_and_a_flipped_bit_fails_it_by_name(chain):
    said = chain.json("verify")
    assert said["passed"] is True
    assert [one["subject"] for one in said["findings"]] == ["audit trail", "index", "1.0.0", "1.0.1"]
    path = chain.version("1.0.1") / "booster.json"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        done = chain.run("verify", "1.0.1", code=1)
        assert "1 thing does not verify" in done.stdout
        assert "booster.json" in done.stdout
    finally:
        path.write_bytes(content)


def test_a_refused_promotion_exits_3_and_neither_it_nor_a_dry_run_changes_anything(chain):
    index = (chain.folder / "artifacts" / "registry.json").read_bytes()
    done = chain.run("promote", "1.0.1", "--set", "gate.min_positives=100000", code=3)
    assert "Refused: 1 criterion is not met. Nothing was changed." in done.stdout
    assert "this was a dry run" in chain.run("promote", "1.0.1", "--dry-run").stdout
    assert (chain.folder / "artifacts" / "registry.json").read_bytes() == index


def test_a_rollback_with_nowhere_to_go_fails_in_two_lines_and_moves_nothing(chain):
    index = (chain.folder / "artifacts" / "registry.json").read_bytes()
    done = chain.run("rollback", code=1)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2
    assert (chain.folder / "artifacts" / "registry.json").read_bytes() == index


def test_the_top_of_the_list_looks_as_it_should(chain):
    """What a person sees; after a wanted change, put what the failure shows into the golden file."""
    shown = chain.said["score"].stdout
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    best = pd.read_csv(chain.folder / "lists" / "list.csv", dtype={"id": str}).head(8)
    assert [row[1] for row in rows] == best["id"].tolist()
    assert [row[2] for row in rows] == [f"{p:.2%}" for p in best["probability"]]
    # Ids and probabilities were compared above; they hang on the processor's arithmetic, the form does not.
    form = re.sub(r"[ \d]\d\.\d\d%", " 0.00%", re.sub(r"│ \d{6} │", "│ 100000 │", shown))
    assert form == (GOLDEN / "top_list.txt").read_text(encoding="utf-8")


def test_the_whole_list_is_written_in_order_of_rank(chain):
    table = pd.read_csv(chain.folder / "lists" / "list.csv", dtype={"id": str})
    assert list(table) == ["rank", "id", "probability", "tier", "will_convert", "model_version", "cutoff"]
    said = chain.json("score out")
    assert len(table) == said["prospects"] == chain.json("sample")["noncustomers"]
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["probability"].is_monotonic_decreasing
    assert set(table["tier"]) <= {"A", "B", "C"}
    assert set(table["model_version"]) == {"1.0.1"}
    plan = said["capacity"]
    assert plan["calls"] == 40
    assert plan["expected"] == pytest.approx(table["probability"].head(40).sum())
    assert plan["low"] <= plan["expected"] <= plan["high"]
    assert [stop["calls"] for stop in plan["stops"]] == [10, 20, 30, 40]
    assert said["list"] == []
    assert said["out"] == "lists/list.csv"
    quarantine = pd.read_parquet(chain.folder / said["quarantine"])
    assert set(quarantine["reason"]) == {"duplicate company, merged"}


def test_a_list_is_written_in_the_order_of_the_file_if_asked_for(chain):
    chain.run(
        "score", "tables/noncustomers.csv", "--out", "same.parquet", "--keep-order", "--version", "1.0.0"
    )
    written = pd.read_parquet(chain.folder / "same.parquet")
    with (chain.folder / "tables" / "noncustomers.csv").open(newline="") as file:
        in_file = list(dict.fromkeys(row["id"] for row in csv.DictReader(file)))
    assert written["id"].tolist() == in_file
    assert sorted(written["rank"]) == list(range(1, len(in_file) + 1))
    assert set(written["model_version"]) == {"1.0.0"}


def test_a_list_can_be_shown_and_written_and_read_as_json(chain):
    args = (
        "score",
        "tables/noncustomers.csv",
        "--top",
        3,
        "--out",
        "list.csv",
        "--as-of",
        "2020-01-27",
        "--json",
    )
    said = json.loads(chain.run(*args).stdout)
    assert [row["rank"] for row in said["list"]] == [1, 2, 3]
    assert {row["cutoff"] for row in said["list"]} == {"2020-01-27"}
    assert (chain.folder / "list.csv").is_file()


def test_a_date_that_is_none_is_wrong_usage(chain):
    done = chain.run("score", "tables/noncustomers.csv", "--as-of", "yesterday", code=2)
    assert "--as-of: 'yesterday' is not a valid date" in done.stderr


def test_a_version_that_was_edited_is_not_promoted(chain):
    path = chain.version("1.0.1") / "metrics.json"
    content = path.read_bytes()
    try:
        path.write_bytes(content.replace(b"0.", b"0.9", 1))
        done = chain.run("promote", "1.0.1", "--json", code=3)
        assert "metrics.json: differs from its digest" in done.stdout
        done = chain.run("promote", "1.0.1", "--force", "--reason", "in a hurry", code=1)
        assert "metrics.json: differs from its digest" in done.stderr
    finally:
        path.write_bytes(content)


def test_a_version_that_exists_is_not_trained_again(chain):
    done = chain.run("train", "--version", "1.0.1", code=1)
    assert "version 1.0.1 exists already" in done.stderr


@pytest.mark.slow
def test_a_stratified_split_of_one_row_a_company_trains_and_reproduces_itself(chain):
    args = (
        "train",
        "--set",
        "split.kind=stratified",
        "--set",
        "panel.kind=snapshot",
        "--version",
        "9.9.9",
        "--json",
    )
    said = json.loads(chain.run(*args).stdout)
    assert said["version"] == "9.9.9"
    assert said["training"]["rows"] == said["training"]["companies"]
    assert said["holdout"]["companies"] + said["training"]["companies"] <= 2500
    assert 0.1 < said["holdout"]["companies"] / 2500 < 0.3
    assert json.loads(chain.run("evaluate", "9.9.9", "--json").stdout)["identical"]


def test_a_backtest_writes_a_prediction_for_every_prospect_and_cutoff(chain):
    args = ("evaluate", "--backtest", "--from", "2019-12-30", "--to", "2020-01-27", "--every-days", 28)
    said = json.loads(chain.run(*args, "--predictions", "backtest.csv", "--json").stdout)
    predictions = pd.read_csv(io.StringIO((chain.folder / "backtest.csv").read_text()), dtype={"id": str})
    assert {"cutoff", "id", "probability"} <= set(predictions)
    assert sorted(predictions["cutoff"].unique()) == [one["cutoff"] for one in said["cutoffs"]]
    assert len(said["cutoffs"]) == 2
    assert not predictions.duplicated(["cutoff", "id"]).any()
    assert predictions["probability"].between(0, 1).all()
    counted = predictions.groupby("cutoff").size()
    assert [counted[one["cutoff"]] for one in said["cutoffs"]] == [
        one["prospects"]["all prospects"] for one in said["cutoffs"]
    ]


@pytest.mark.slow
def test_a_training_killed_while_it_registers_leaves_a_registry_that_goes_on(chain):
    before = json.loads(chain.run("models", "--json").stdout)
    known = set((chain.folder / "artifacts" / "models").iterdir())
    process = subprocess.Popen(
        chain.command("train", "--version", "8.0.0"),
        cwd=chain.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 600
    while process.poll() is None and time.monotonic() < deadline:
        if set((chain.folder / "artifacts" / "models").iterdir()) - known:
            break
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    code = process.wait(timeout=300)
    after = json.loads(chain.run("models", "--json").stdout)
    versions = [[entry["version"] for entry in one["versions"]] for one in (before, after)]
    registered = [*versions[0], "8.0.0"]
    assert versions[1] in ((versions[0], registered) if code == -signal.SIGKILL else (registered,))
    chain.run("promote", "1.0.0")
    assert not list((chain.folder / "artifacts").rglob(".tmp-*"))
