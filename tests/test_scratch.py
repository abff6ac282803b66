"""Temporary folders: gone afterwards, and cleared by the next one where a process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ml_sys import scratch
from ml_sys.data.events.log import SCRATCH, EventLog
from ml_sys.scratch import clear_scratch, scratch_folder

HOLDS_EVENTS = """
import sys
import pytest

from ml_sys import scratch
from ml_sys.data.events.log import EventLog
with EventLog(1) as log:
    log.run("INSERT INTO event (entity) SELECT unnest(range(1000))")
    print("ready", flush=True)
    sys.stdin.read()
"""


def folders(place: Path) -> list[Path]:
    return sorted(one for one in place.iterdir() if one.is_dir())


def test_a_scratch_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with scratch_folder("some", tmp_path) as folder:
        (folder / "file").write_text("x", encoding="utf-8")
        assert folders(tmp_path) == [folder]
    assert not list(tmp_path.iterdir())


def test_one_that_could_not_be_removed_is_removed_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "_TRIES", 2)
    with scratch_folder("some", tmp_path) as folder:
        folder.rmdir()
        folder.write_text("no folder, so that it stays", encoding="utf-8")
    clear_scratch("some", tmp_path)
    assert folder.exists()
    folder.unlink()
    (folder / "below").mkdir(parents=True)
    clear_scratch("some", tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    with scratch_folder("some", tmp_path) as mine:
        with scratch_folder("some", tmp_path) as other:
            clear_scratch("some", tmp_path)
            assert folders(tmp_path) == sorted([mine, other])
        assert folders(tmp_path) == [mine]


def test_what_a_killed_ingest_left_is_removed_by_the_next(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS_EVENTS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(tmp_path)}, text=True, **pipes
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    (left,) = folders(tmp_path)
    assert left.name.startswith(SCRATCH)
    with EventLog(1, folder=tmp_path):
        assert not left.exists()
        assert len(folders(tmp_path)) == 1
    assert not list(tmp_path.iterdir())
