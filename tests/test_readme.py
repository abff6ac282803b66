"""The README and the manual: their commands run and print what is shown, their tables and links are right."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ml_sys.cli import app
from ml_sys.errors import ExitCode
from ml_sys.serve.server import Application
from ml_sys.settings import Settings
from ml_sys.settings.writing import as_markdown
from tests import commandline

PROJECT = Path(__file__).parents[1]
PAGES = {page.stem: page for page in [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]}
TEXTS = {name: page.read_text(encoding="utf-8") for name, page in PAGES.items()}
# Pages with commands, in the order in which a reader would run them.
READ_IN_ORDER = ["tour", "evaluation", "README", "registry", "settings", "extending"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(r"# (\w+\.py)\n")
LEFT_OUT = "…"
# Where the tour takes minutes, its test takes seconds.
QUICK = """
threads = 1
[panel]
step_days = 28
[features]
windows_days = [28]
[split]
validation_folds = 2
[resample]
sampling_strategy = 0.005
[model]
max_trees = 12
params = { learning_rate = 0.1 }
[report]
backtest = false
resampling = false
seeds = 0
[bootstrap]
resamples = 20
"""
SMALLER = {"--companies": "2000", "--weeks": "64"}


@dataclass(frozen=True)
class Step:
    """A command that a page shows, and the output shown below it."""

    command: str
    shown: str


def steps_of(block: str) -> list[Step]:
    """Split a console block at its prompts; a backslash continues a command."""
    steps = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        match = re.match(r"((?:.*\\\n)*.*)\n?", part)
        steps.append(Step(match[1].replace("\\\n", " "), part[match.end() :]))
    return steps


BLOCKS = [block for name in READ_IN_ORDER for block in BLOCK.findall(TEXTS[name])]
STEPS = [step for language, block in BLOCKS if language == "console" for step in steps_of(block)]


def smaller(words: list[str]) -> list[str]:
    """Put the test's sizes in place of the manual's."""
    return [SMALLER.get(before, word) for before, word in zip(["", *words], words, strict=False)]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[subprocess.CompletedProcess[str]]:
    """What each command says when all are run in order, each once, in a folder with the files shown."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "conf").mkdir()
    (folder / "conf" / "mlsys.toml").write_text(QUICK)
    for language, block in BLOCKS:
        if language == "python" and (named := NAMED_FILE.match(block)):
            (folder / named[1]).write_text(block)
    done: dict[str, subprocess.CompletedProcess[str]] = {}
    for step in STEPS:
        program, *words = shlex.split(step.command)
        assert program == "mlsys", step.command
        if step.command not in done:
            done[step.command] = commandline.run(*smaller(words), cwd=folder, COLUMNS="120")
    return [done[step.command] for step in STEPS]


def headers(output: str) -> list[list[str]]:
    """Return the column names of each table."""
    lines = [line for line in output.splitlines() if line.startswith("┃")]
    return [[name.strip() for name in line.strip("┃").split("┃")] for line in lines]


def sentence(line: str) -> str:
    """Strip a line of what differs from one run to the next: numbers, dates, digests."""
    return re.sub(r"\b(?=\w*\d)[0-9a-f]{16}\b|[-−]?\d[\d,.:%−-]*", "#", line).strip()


def is_table(line: str) -> bool:
    return line[:1] in {"┏", "┃", "┡", "│", "└", "├"}


def test_every_command_runs_in_order_and_prints_tables_and_sentences_as_shown(outputs):
    missing = []
    for step, done in zip(STEPS, outputs, strict=True):
        assert done.returncode == ExitCode.DONE, f"{step.command}\n{done.stderr}"
        printed = headers(done.stdout)
        missing += [(step.command, shown) for shown in headers(step.shown) if shown not in printed]
        sentences = {sentence(line) for line in (done.stdout + done.stderr).splitlines()}
        shown = [line for line in step.shown.splitlines() if line and not is_table(line)]
        missing += [
            (step.command, line)
            for line in shown
            if not line.endswith(LEFT_OUT) and sentence(line) not in sentences
        ]
    assert missing == []


def test_every_page_with_commands_is_among_those_that_run():
    with_commands = {name for name, text in TEXTS.items() if re.search(r"^\$ mlsys ", text, re.MULTILINE)}
    assert with_commands == {*READ_IN_ORDER}


def test_the_tour_and_each_extension_are_among_the_commands_that_run():
    assert [step.command.split()[1] for step in STEPS] == [
        *("sample", "ingest", "train", "evaluate", "promote", "score"),  # the tour
        *("score", "score"),  # with reasons, in the manual and in the README
        *("history", "verify", "reproduce"),
        "config",
        *("train", "train", "ingest"),  # extending
    ]
    commands = " ".join(step.command for step in STEPS)
    assert "features.extra" in commands
    assert "model.estimator" in commands
    assert "ingest.source" in commands


def test_generated_files_are_what_the_code_says():
    generated = runpy.run_path(str(PROJECT / "docs" / "generate.py"))["generated"]()
    assert {file.name for file in generated} == {"mlsys.toml", "commands.md", "settings.md", "hubspot.toml"}
    stale = [file.name for file, text in generated.items() if file.read_text(encoding="utf-8") != text]
    assert stale == [], "run make generate"


def options_of(*words: str) -> set[str]:
    """Return the options that a command's help page lists."""
    asked = commandline.run(*words, "--help", cwd=PROJECT, COLUMNS="200")
    shown = re.findall(r"^│\s+(?:-\w, )?(--[a-z-]+)", asked.stdout, re.MULTILINE)
    return {*shown} - {"--help", "--install-completion", "--show-completion"}


def section(text: str, heading: str) -> str:
    """Return what stands between a heading and the next one of any level."""
    return re.split(r"^#+ ", text.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_command_is_described_with_every_option():
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    described = re.findall(r"^### mlsys (.+)$", TEXTS["commands"], re.MULTILINE)
    assert {name.split()[0] for name in described} == names
    for name in described:
        rows = re.findall(r"^\| `(.+?)` \|", section(TEXTS["commands"], f"### mlsys {name}"), re.MULTILINE)
        assert options_of(*name.split()) == {*re.findall(r"--[a-z-]+", " ".join(rows))}, name


def test_every_global_option_is_described():
    rows = section(TEXTS["commands"], "## Options of every command")
    assert options_of() == {*re.findall(r"^\| `(--[a-z-]+)", rows, re.MULTILINE)}


def test_the_table_of_settings_is_the_generated_one():
    between = (
        TEXTS["settings"].partition("<!-- settings: begin -->")[2].partition("<!-- settings: end -->")[0]
    )
    assert between.strip() == as_markdown()


def test_the_readme_is_short_enough_to_read():
    assert len(TEXTS["README"].splitlines()) <= 200


def test_the_manual_lists_every_page():
    tree = "".join(re.findall(r"^```\{toctree\}\n(.*?)^```$", TEXTS["index"], re.MULTILINE | re.DOTALL))
    listed = {line for line in tree.splitlines() if line and not line.startswith(":")}
    notebooks = {page.stem for page in (PROJECT / "docs").glob("*.ipynb")}
    assert listed == set(TEXTS) - {"README", "index"} | notebooks


def anchors(page: str) -> set[str]:
    """Return the names by which a page's headings are linked to."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_link_to_a_file_or_a_heading_leads_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http:", "https:", "../../actions/")):  # the last is GitHub's own page
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and heading not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_every_file_that_contributors_are_sent_to_exists():
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:ml_sys|tests|docs|conf)/[\w./]+)`", text)
    assert len(named) > 15
    assert [name for name in named if not (PROJECT / name).exists()] == []


def test_every_name_that_contributors_are_sent_to_is_in_its_file():
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)`(?: of| in) `(ml_sys/[\w./]+\.py)`", text)
    assert len(named) > 2
    assert [name for name, file in named if name not in (PROJECT / file).read_text(encoding="utf-8")] == []


@pytest.fixture
def service(trained, tmp_path):
    """The application on a registry whose only version is served, with a prediction log in ``tmp_path``."""
    settings = Settings.model_validate(
        {"artifacts_dir": trained, "serve": {"prediction_log_path": str(tmp_path / "predictions.sqlite")}}
    )
    with TestClient(Application(settings, "1.0.0")(), base_url="http://localhost") as client:
        yield client


def test_the_shown_request_is_answered_with_the_fields_that_are_shown(service):
    blocks = BLOCK.findall(TEXTS["tour"])
    request, shown = (json.loads(block) for language, block in blocks if language == "json")
    answer = service.post("/predict", json=request)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == list(shown)


def test_the_shown_sink_keeps_predictions(trained, tmp_path, monkeypatch):
    block = next(text for language, text in BLOCKS if language == "python" and "class CsvSink" in text)
    (tmp_path / "my_sink.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    kept = tmp_path / "predictions.csv"
    chosen = {"prediction_log": "my_sink:CsvSink", "prediction_log_path": str(kept)}
    settings = Settings.model_validate({"artifacts_dir": trained, "serve": chosen})
    with TestClient(Application(settings, "1.0.0")(), base_url="http://localhost") as client:
        answer = client.post("/predict", json={"id": "4711"}).json()
    at, *said = kept.read_text().strip().split(",")
    assert float(at) > 0
    assert said == ["1.0.0", "4711", str(answer["conversion_probability"])]


def test_every_metric_that_is_shown_is_there(service):
    shown = set(re.findall(r"\bmlsys_[a-z_]+", TEXTS["serving"])) - {"mlsys_model_version"}
    kept = set(re.findall(r"^# TYPE (\w+)", service.get("/metrics").text, re.MULTILINE))
    assert len(shown) > 5
    assert shown <= kept


def test_every_make_target_that_is_shown_exists():
    targets = re.search(r"^\.PHONY: (.+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)[1].split()
    texts = "\n".join([*TEXTS.values(), (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")])
    shown = re.findall(r"(?:^|`)make ([a-z-]+)\b(?= *(?:#|`|$))", texts, re.MULTILINE)
    assert {"demo", "test", "docs", "generate"} <= set(shown) <= set(targets)
