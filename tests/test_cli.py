"""The command line itself: help, exit codes, streams, global options. What commands do is tested in e2e/."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ml_sys.cli import app

HEAVY = ("pandas", "numpy", "sklearn", "xgboost", "pyarrow", "fastapi", "numba", "scipy")
COMMANDS = (
    "sample",
    "ingest",
    "train",
    "evaluate",
    "models",
    "promote",
    "rollback",
    "history",
    "verify",
    "reproduce",
    "keygen",
    "score",
    "serve",
    "apikey",
    "config",
)


def test_help_lists_every_command_and_exits_0(mlsys):
    done = mlsys("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--help"], "Usage"),
        (["train", "--help"], "Usage"),
        (["score", "-h"], "Usage"),
        (["config"], "label.horizon_days"),
        (["config", "--json"], '"label.horizon_days"'),
        (["models"], "in production: none"),
        (["models", "--json"], '"versions": []'),
        (["history"], "Nothing has happened yet."),
    ],
)
def test_what_needs_no_data_imports_nothing_heavy(tmp_path, arguments, shown):
    program = (
        "import sys\nfrom ml_sys.cli import main\n"
        f"sys.argv = ['mlsys', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True
    )
    assert done.stderr.strip() == "[]"
    assert shown in done.stdout


def page(monkeypatch, *arguments, width=100, encoding="utf-8"):
    """A help page as it is written to a file of that encoding."""
    monkeypatch.setenv("COLUMNS", str(width))
    return CliRunner(charset=encoding).invoke(app, [*arguments, "--help"], prog_name="mlsys").output


def test_a_help_page_imports_none_of_what_draws_tables_and_markdown(tmp_path):
    program = (
        "import sys\nfrom ml_sys.cli import main\nsys.argv = ['mlsys', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'rich.console', 'typer.rich_utils'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("width", [50, 80, 140])
def test_the_lines_of_a_help_page_end_where_the_frame_does(monkeypatch, width):
    for command in COMMANDS:
        framed = [line for line in page(monkeypatch, command, width=width).splitlines() if line[:1] in "╭│╰"]
        assert {len(line) for line in framed if line} == {width}


def test_a_help_page_names_what_an_option_takes_and_explains_it(monkeypatch):
    assert "│ -m, --message  <str>        A note on it for the registry." in page(monkeypatch, "train")
    assert "│ version  <str>  Version to put into production, e.g. 1.1.0. " in page(monkeypatch, "promote")
    assert "│ folder  <path>  Where the files are written.  [required]" in page(monkeypatch, "sample")


def test_without_a_command_the_page_goes_to_stderr(mlsys):
    done = mlsys()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Rank prospects" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(mlsys, command):
    done = mlsys(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"mlsys {command}" in done.stdout.replace("python -m ml_sys", "mlsys")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["train", "--no-such-option"],
        ["train", "--seed", "many"],
        ["train", "--seed", "-1"],
        ["promote"],
        ["forget"],
        ["serve", "--port", "70000"],
        ["serve", "--workers", "0"],
        ["sample", "out", "--companies", "0"],
        ["score", "prospects.csv", "--keep-order"],
        ["evaluate", "--from", "2020-01-01"],
        ["evaluate", "--predictions", "out.csv"],
        ["evaluate", "1.0.0", "--backtest"],
        ["promote", "1.0.0", "--force"],
        ["verify", "1.0.0", "--all"],
        ["history", "--at", "noon"],
        ["models", "diff", "1.0.0"],
        ["--set"],
    ],
)
def test_wrong_usage_exits_2_and_prints_no_result(mlsys, arguments):
    done = mlsys(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said", "hinted"),
    [
        (["train"], "snapshot", "mlsys ingest"),
        (["evaluate"], "contains no model", "mlsys train"),
        (["promote", "1.0.0"], "contains no model", "mlsys train"),
        (["rollback"], "no earlier production version", "mlsys promote"),
        (["verify"], "contains no model", "mlsys train"),
        (["reproduce"], "contains no model", "mlsys train"),
        (["models", "show"], "contains no model", "mlsys train"),
        (["models", "diff", "1.0.0", "1.1.0"], "contains no model", "mlsys train"),
        (["models", "--set", 'registry.signing_key="none.pem"'], "none.pem", "mlsys keygen"),
        (["score", "prospects.csv"], "contains no model", "mlsys train"),
        (["serve", "--version", "1.0.0"], "contains no model", "mlsys train"),
        (["serve", "--host", "192.0.2.1"], "no API key is required", "mlsys apikey new"),
        (["ingest", "--customers", "custmers.csv"], "custmers.csv: there is no such file", "--customers"),
        (["config", "--set", "sed=1"], "--set: sed: is not a setting", "did you mean seed?"),
        (["config", "--set", "seed=many"], "--set: seed: input should be", "seed"),
        (["config", "--config", "none.toml"], "none.toml", "existing TOML file"),
        (["config", "--log-level", "loud"], "--log-level: loud", "one of"),
    ],
)
def test_a_failure_is_two_lines_on_stderr_and_exits_1(mlsys, arguments, said, hinted):
    done = mlsys(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    problem, hint = done.stderr.splitlines()
    assert problem.startswith("error: ")
    assert said in problem
    assert hint.startswith("  ")
    assert hinted in hint


def test_a_process_of_its_own_says_and_returns_the_same(mlsys, mlsys_process):
    for line in (["config", "--json"], ["rollback"], ["train", "--seed", "many"]):
        here, there = mlsys(*line), mlsys_process(*line)
        assert (here.returncode, here.stdout) == (there.returncode, there.stdout)
        assert re.sub(r"python -m \S+", "mlsys", here.stderr) == there.stderr.replace(
            "python -m ml_sys", "mlsys"
        )


@pytest.mark.parametrize("arguments", [["--debug", "train"], ["train", "--debug"]])
def test_debug_shows_the_traceback_and_still_fails(mlsys, arguments):
    done = mlsys(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback (most recent call last)" in done.stderr
    assert "SnapshotError" in done.stderr


def test_a_failure_with_json_wanted_prints_no_half_result(mlsys):
    done = mlsys("train", "--json")
    assert (done.returncode, done.stdout) == (1, "")


def test_global_options_may_stand_anywhere_on_the_line(mlsys):
    options = ["--set", "seed=1", "--json"]
    lines = [[*options, "config"], ["config", *options], ["--json", "config", "--set=seed=1"]]
    outputs = [mlsys(*line).stdout for line in lines]
    assert json.loads(outputs[0])["seed"] == {"value": 1, "origin": "--set"}
    assert len(set(outputs)) == 1


def test_config_shows_every_value_with_its_origin(mlsys, tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mlsys.toml").write_text("[label]\nhorizon_days = 14\n[panel]\nstep_days = 14\n")
    monkeypatch.setenv("MLSYS_PANEL__STEP_DAYS", "7")
    shown = json.loads(mlsys("config", "--json", artifacts=tmp_path / "here").stdout)
    assert shown["label.horizon_days"] == {"value": 14, "origin": "conf/mlsys.toml"}
    assert shown["panel.step_days"] == {"value": 7, "origin": "MLSYS_PANEL__STEP_DAYS"}
    assert shown["artifacts_dir"]["value"] == str(tmp_path / "here")
    assert shown["split.kind"] == {"value": "time", "origin": "default"}
    table = mlsys("config").stdout
    assert "label.horizon_days" in table
    assert "MLSYS_PANEL__STEP_DAYS" in table


def test_config_writes_values_as_a_settings_file_does(mlsys):
    table = mlsys(
        "config", "--set", "canary.allowed=['id', 'rank']", "--set", "features.windows_days=[7]"
    ).stdout
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if "│" in line]
    shown = {key: value for key, value, _ in cells}
    assert shown["canary.allowed"] == '["id", "rank"]'
    assert shown["features.windows_days"] == "[7]"
    assert shown["features.off"] == "[]"
    assert shown["features.attribute_missingness"] == "false"
    assert shown["split.kind"] == '"time"'
    assert shown["ingest.database"] == '""'
    assert shown["model.params"].startswith("{ learning_rate = 0.1, max_depth = 4,")


def test_models_of_an_empty_registry_is_an_empty_list(mlsys, tmp_path):
    done = mlsys("models", "--json", artifacts=tmp_path / "new")
    assert json.loads(done.stdout) == {"production": None, "versions": []}
    assert not (tmp_path / "new").exists()


def test_a_key_is_made_for_its_owner_alone_and_never_overwritten(mlsys, tmp_path):
    done = mlsys("keygen", "keys/mine.pem", "--json")
    assert json.loads(done.stdout) == {"private": "keys/mine.pem", "public": "keys/mine.pem.pub"}
    assert (tmp_path / "keys" / "mine.pem").stat().st_mode & 0o777 == 0o600
    content = (tmp_path / "keys" / "mine.pem").read_bytes()
    again = mlsys("keygen", "keys/mine.pem")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert (tmp_path / "keys" / "mine.pem").read_bytes() == content


def test_a_reader_that_has_seen_enough_causes_no_traceback(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-m", "ml_sys", "config", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    writer.stdout.close()  # before anything is written, as head does once it has enough
    problem = writer.stderr.read()
    assert writer.wait(timeout=300) in {0, 1}
    assert problem == ""
    writer.stderr.close()
