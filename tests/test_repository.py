from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
# In parts, so that this file does not name them either.
REGISTRY_HOSTS = [
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"))
]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==\S+", re.MULTILINE)


def run(*command, cwd=PROJECT):
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)


@pytest.fixture
def makefile_folder(tmp_path):
    """A folder that holds what set-up reads, and nothing else."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    return tmp_path


def requirements():
    """The text of each pin, by name, with the lines that belong to it."""
    text = (PROJECT / "requirements.txt").read_text()
    starts = [*PIN.finditer(text)]
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return {match["name"]: text[match.start() : end] for match, end in zip(starts, ends, strict=True)}


def test_no_file_of_the_project_names_a_registry():
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]
    assert len(files) > 10
    texts = {str(file.relative_to(PROJECT)): file.read_bytes().decode(errors="replace") for file in files}
    assert [name for name, text in texts.items() for host in REGISTRY_HOSTS if host in text] == []


def test_every_pin_has_a_hash():
    unhashed = [name for name, text in requirements().items() if "--hash=sha256:" not in text]
    assert unhashed == []


def test_requirements_hold_pins_hashes_and_comments_only():
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    allowed = re.compile(r"[A-Za-z0-9][\w.-]*==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    #.*")
    assert [line for line in lines if not allowed.fullmatch(line)] == []


def test_every_dependency_of_pyproject_is_pinned():
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    groups = pyproject["dependency-groups"].values()
    wanted = pyproject["project"]["dependencies"] + [one for group in groups for one in group]
    names = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in wanted}
    assert names - {name.lower() for name in requirements()} == set()


def foreign(pattern, *files):
    """What some files of the project name of others' code, without what the project holds itself."""
    texts = [file.read_text() for file in files if file.is_file()]
    found = [name.strip("\"'") for text in texts for name in re.findall(pattern, text, re.MULTILINE)]
    return [name for name in found if not name.startswith("./")]


def test_every_action_is_pinned_by_its_commit():
    actions = foreign(r"^[\s-]*uses:\s*(\S+)", *(PROJECT / ".github" / "workflows").glob("*.y*ml"))
    assert actions
    assert [one for one in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)] == []


def test_every_base_image_is_pinned_by_its_digest():
    images = foreign(r"^FROM\s+(?:--\S+\s+)*(\S+)", *PROJECT.glob("*Dockerfile*"))
    assert images
    # What compose runs is pinned as well, or is the image that is built here.
    images += foreign(r"^\s*image:\s*(\S+)", *PROJECT.glob("compose*.y*ml"), *PROJECT.glob("*/compose*.y*ml"))
    pinned = re.compile(r"[\w./:-]+@sha256:[0-9a-f]{64}")
    assert [one for one in images if one not in {"build", "mlsys"} and not pinned.fullmatch(one)] == []


@pytest.mark.parametrize("target", [(), ("help",)])
def test_make_help_lists_every_target(target):
    phony = re.search(r"^\.PHONY: (.+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    shown = run("make", "--no-print-directory", *target).stdout
    assert re.findall(r"^  make ([\w-]+) +\S", shown, re.MULTILINE) == phony[1].split()


def test_the_readme_gives_each_make_command_on_a_line_of_its_own():
    blocks = re.findall(r"```sh\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    commands = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    assert [one for one in commands if one.startswith("make ")] == ["make demo", "make test"]
    assert all(re.match(r"(make|mlsys|export) ", one) for one in commands)


def test_make_works_from_another_folder(tmp_path):
    shown = run("make", "--no-print-directory", "-C", str(PROJECT), "help", cwd=tmp_path)
    assert "make setup" in shown.stdout


@pytest.mark.parametrize("version", ["Python 3.10.4", "Python 2.7.18"])
def test_set_up_refuses_an_old_python_in_one_line(makefile_folder, version):
    old = makefile_folder / "old-python"
    old.write_text(f'#!/bin/sh\ntest "$1" = --version && echo "{version}" && exit 0\nexit 1\n')
    old.chmod(0o755)
    ran = run("make", "setup", "PYTHON=./old-python", cwd=makefile_folder)
    assert ran.returncode != 0
    first, *rest = ran.stderr.splitlines()
    assert first == (
        f"mlsys needs Python 3.11 or newer, and ./old-python is {version}. "
        "Name another: make setup PYTHON=python3.12"
    )
    assert all(line.startswith("make") for line in rest)
    assert not (makefile_folder / ".venv").exists()


STAND_IN = """#!/bin/sh
# Stands in for Python: what set-up asks of it is written down; a virtual environment is a copy of it.
case "$*" in
"-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo made >>{asked} ;;
*--requirement*|*" -r "*) echo installed >>{asked}; test ! -e {kill} || kill -9 "$PPID" ;;
esac
"""


@pytest.fixture
def set_up(makefile_folder, tmp_path_factory):
    """Run set-up with a Python that installs nothing, and say what it was asked for."""
    aside = tmp_path_factory.mktemp("stand-in")
    asked, kill = aside / "asked", aside / "kill"
    for name in ("python", "other-python"):
        (aside / name).write_text(STAND_IN.format(asked=asked, kill=kill))
        (aside / name).chmod(0o755)

    def run_make(folder=makefile_folder, python="python", *, killed=False, named=True):
        asked.write_text("")
        kill.touch() if killed else kill.unlink(missing_ok=True)
        with_python = [f"PYTHON={aside / python}"] if named else []
        done = run("make", "setup", *with_python, cwd=folder)
        assert (done.returncode != 0) == killed, done.stderr
        return asked.read_text().split()

    return run_make


def test_set_up_makes_an_environment_once(set_up):
    assert set_up() == ["made", "installed"]
    assert set_up() == []
    assert set_up(named=False) == []  # the Python that it was made with stays the one


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_changed_requirements_only_update_what_is_there(set_up, makefile_folder, name):
    set_up()
    later = (makefile_folder / ".venv" / ".setup-done").stat().st_mtime + 1
    os.utime(makefile_folder / name, (later, later))
    assert set_up(named=False) == ["installed"]


def test_in_a_moved_folder_set_up_starts_afresh(set_up, makefile_folder):
    set_up()
    moved = makefile_folder.rename(makefile_folder.with_name("moved"))
    assert set_up(moved) == ["made", "installed"]


def test_another_python_starts_afresh(set_up):
    set_up()
    assert set_up(python="other-python") == ["made", "installed"]
    assert set_up(python="other-python") == []


@pytest.mark.parametrize("update", [False, True])
def test_after_a_killed_set_up_the_next_starts_afresh(set_up, makefile_folder, update):
    if update:
        set_up()
        later = (makefile_folder / ".venv" / ".setup-done").stat().st_mtime + 1
        os.utime(makefile_folder / "requirements.txt", (later, later))
    set_up(killed=True)
    assert set_up() == ["made", "installed"]


def test_set_up_refuses_a_python_that_does_not_exist(makefile_folder):
    ran = run("make", "setup", "PYTHON=no-such-python", cwd=makefile_folder)
    assert ran.returncode != 0
    assert "no-such-python" in ran.stderr.splitlines()[0]
    assert not (makefile_folder / ".venv").exists()
