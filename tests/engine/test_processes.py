"""Processes of this machine: as many as cores and memory allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_sys.engine import processes
from ml_sys.engine.processes import cores, free_memory, in_processes, peak_memory
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
