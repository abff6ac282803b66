"""Where a version was made: packages, processor, and the commit of the working folder."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from ml_sys.registry.environment import cpu_model, environment, git_state, gpu_model


def test_an_environment_names_packages_python_platform_and_processor():
    found = environment()
    assert list(found) == ["packages", "python", "platform", "cpu", "gpu"]
    assert (found["python"], found["platform"]) == (platform.python_version(), platform.platform())
    assert found["cpu"] == cpu_model() != ""
    for name in (
        "ml-sys",
        "imbalanced-learn",
        "numba",
        "numpy",
        "pandas",
        "pyarrow",
        "scikit-learn",
        "scipy",
    ):
        assert found["packages"][name] == version(name)
    assert found["packages"]["skops"] == version("skops")
    assert {"xgboost", "xgboost-cpu"} & set(found["packages"])


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="processors are named there by Linux alone")
def test_a_processor_is_named_as_linux_does():
    told = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line]
    named = [value.strip() for name, value in told if name.strip() == "model name"]
    assert cpu_model() == (named[0] if named else platform.processor() or platform.machine())


def test_a_gpu_is_named_as_its_driver_does_and_none_is_where_there_is_no_driver(tmp_path: Path):
    assert gpu_model(tmp_path / "none") == ""
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA A10\nIRQ:   16\n")
    assert gpu_model(tmp_path) == "NVIDIA A10"


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_of_the_working_folder_and_whether_it_is_dirty_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state() == {}
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "a")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_state() == {"commit": commit, "dirty": False}
    (tmp_path / "b").touch()
    assert git_state() == {"commit": commit, "dirty": True}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state() == {}
