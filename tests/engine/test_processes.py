"""Processes of this machine: as many as cores and memory allow."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ml_sys.engine import processes
from ml_sys.engine.processes import cores, free_memory, in_processes, peak_memory
from ml_sys.errors import EngineError
from tests.engine import tasks


def told(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_free_memory_is_what_machine_and_container_both_have(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       9000 kB\nMemAvailable:   4000 kB\n")
    assert free_memory(meminfo, tmp_path) == 4_096_000
    container = told(tmp_path, memory_max="3000000\n", memory_current="1000000\n")
    assert free_memory(meminfo, container) == 2_000_000
    assert free_memory(tmp_path / "none", container) == 2_000_000
    assert free_memory(meminfo, told(tmp_path, memory_max="max\n")) == 4_096_000
    assert free_memory(meminfo, told(tmp_path, memory_max="1", memory_current="9")) == 0
    assert free_memory(tmp_path / "none", tmp_path / "none") is None


def test_a_process_knows_its_peak() -> None:
    peak = peak_memory()
    assert peak is None or 10 * 2**20 < peak < 2**40


def test_one_worker_is_this_process() -> None:
    assert dict(in_processes(tasks.where, 1, {5: 0, 6: 1})) == {5: os.getpid(), 6: os.getpid()}
    assert dict(in_processes(tasks.where, 0, {5: 0})) == {5: os.getpid()}


@pytest.mark.skipif(cores() == 1, reason="one core runs everything in this process")
@pytest.mark.parametrize("kilobytes", [1, 2**30])
def test_where_memory_is_short_partitions_run_one_by_one_after_the_first_was_measured(
    kilobytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemAvailable:   {kilobytes} kB\n")
    monkeypatch.setattr(processes, "_MEMORY", meminfo)
    found = list(in_processes(tasks.where, 0, {number: number for number in range(4)}))
    assert sorted(number for number, _ in found) == [0, 1, 2, 3]
    if kilobytes == 1:
        assert [number for number, _ in found] == [0, 1, 2, 3]
    assert os.getpid() not in {process for _, process in found}


def shared(monkeypatch: pytest.MonkeyPatch, place: Path) -> Path:
    """Have arrays that processes share lie in a folder."""
    place.mkdir(exist_ok=True)
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(place))
    return place


def test_a_full_disk_ends_the_work_in_a_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes._shared_folder.cache_clear()
    place = shared(monkeypatch, tmp_path / "place")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(EngineError, match=rf"{place}: .* File too large") as caught:
            list(in_processes(partial(tasks.rotated, tasks.WEIGHTS), 2, {0: 0, 1: 1}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        processes._shared_folder.cache_clear()
    assert "JOBLIB_TEMP_FOLDER" in caught.value.hint


KILLED = """
import os, signal
from functools import partial
from ml_sys.engine.processes import in_processes
from tests.engine import tasks

if __name__ == "__main__":
    os.setpgid(0, 0)
    for _ in in_processes(partial(tasks.rotated, tasks.WEIGHTS), 2, {0: 0, 1: 1}):
        os.killpg(0, signal.SIGKILL)
"""


@pytest.mark.slow  # starts processes
def test_what_a_killed_command_shared_with_its_processes_is_cleared_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shared(monkeypatch, tmp_path / "place")
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, script], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    left = {one.name for one in place.iterdir()}
    assert len(left) == 2
    assert [*place.rglob("*.pkl")]
    processes._shared_folder.cache_clear()
    try:
        list(in_processes(partial(tasks.rotated, tasks.WEIGHTS), 2, {0: 0, 1: 1}))
        assert not left & {one.name for one in place.iterdir()}
    finally:
        processes._shared_folder.cache_clear()
