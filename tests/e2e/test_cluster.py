"""The guide to a cluster, followed: scheduler and workers started by hand, and the commands against them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow.fs import FileSelector, FileSystem, FileType

from tests.engine.s3 import s3_server
from tests.serve.servers import free_port, until

GUIDE = Path(__file__).parents[2] / "docs" / "cluster.md"
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.splitlines()
]
QUICKLY = [
    f"--set={one}"
    for one in (
        *("panel.step_days=28", "features.windows_days=[28]", "split.validation_folds=2", "model.trees=5"),
        *("resample.sampling_strategy=none", "bootstrap.resamples=20", "backtest.lists=2", "seed=3"),
        *("backtest.every_days=28", "report.backtest=false", "report.resampling=false", "report.seeds=2"),
    )
]
# So many that workers are at it for a while.
PARTS = 40
# Seconds for a command to come to what it is killed in, however busy the machine is: else it would never end.
PATIENCE = 600


@dataclass(frozen=True)
class Guide:
    """What the guide has one type, at a free port of this machine."""

    scheduler: str
    worker: str
    evaluate: str
    train: str
    score: str
    distributed: str
    port: int

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def followed(self, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Start scheduler and workers as the guide says, in a folder."""
        with started(f"{self.scheduler} --no-dashboard", folder) as scheduler:
            until(self.answers, PATIENCE)
            with started(f"{self.worker} --no-dashboard", folder):
                self.wait_for_workers()
                yield scheduler

    def wait_for_workers(self) -> None:
        with distributed_client(self.address) as client:
            client.wait_for_workers(2, timeout=PATIENCE)

    def answers(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def killing(self, worth: Callable[[set[str]], bool]) -> threading.Thread:
        """Begin to wait until what the workers have in hand is worth it, and kill one of them."""

        def kill() -> None:
            with distributed_client(self.address) as beside:
                until(lambda: worth({key for keys in beside.processing().values() for key in keys}), PATIENCE)
                os.kill(max(beside.run(os.getpid).values()), signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        return thread

    def kill_scheduler(self, scheduler: subprocess.Popen[bytes]) -> None:
        """Kill the scheduler as soon as a worker has something in hand."""
        with distributed_client(self.address) as beside:
            until(lambda: any(beside.processing().values()), PATIENCE)
        scheduler.kill()


def distributed_client(address: str) -> contextlib.AbstractContextManager:
    distributed = pytest.importorskip("distributed", reason="Dask is an extra, and not installed")
    return distributed.Client(address, set_as_default=False)


@contextlib.contextmanager
def started(command: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [str(Path(sys.executable).with_name("dask")), *shlex.split(command)[1:]]
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, cwd=folder, env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture
def guide() -> Iterator[Guide]:
    pytest.importorskip("distributed", reason="Dask is an extra, and not installed")
    with free_port() as port:
        typed = (one.replace("10.0.0.5", "127.0.0.1").replace("8786", str(port)) for one in COMMANDS)
        yield Guide(*typed, port)


Said = Callable[..., dict]


@pytest.fixture
def said(mlsys) -> Said:
    def run(command: str, artifacts: Path, *more: str) -> dict:
        done = mlsys(*shlex.split(command)[1:], *QUICKLY, *more, "--json", artifacts=artifacts)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def local(command: str) -> str:
    return command.partition(" --set")[0]


def made(artifacts: Path, file: str) -> dict:
    return json.loads((artifacts / "models" / "1.0.0" / file).read_text())


@pytest.mark.slow  # starts processes
def test_the_guide_leads_to_the_same_results_as_this_machine(guide, ingested, said, tmp_path):
    there, alone = (shutil.copytree(ingested, tmp_path / name) for name in ("there", "alone"))
    with guide.followed(tmp_path):
        lists, version = said(guide.evaluate, there), said(guide.train, there)
    assert said(local(guide.evaluate), alone) == lists
    again = said(local(guide.train), alone)
    assert version["version"] == again["version"] == "1.0.0"
    seeds = [made(one, "evidence.json")["seeds"] for one in (there, alone)]
    assert seeds[0] == seeds[1]
    assert seeds[0]


@pytest.mark.slow  # starts processes
def test_trees_that_grew_on_the_guides_workers_are_close_and_grow_again_bit_by_bit(
    guide, ingested, said, tmp_path
):
    there, alone = (shutil.copytree(ingested, tmp_path / name) for name in ("there", "alone"))
    with guide.followed(tmp_path):
        said(guide.distributed, there)
        again = said(f"mlsys reproduce --set=engine.kind=dask --set=engine.address={guide.address}", there)
    assert (again["identical"], again["environment"]) == (True, [])
    assert made(there, "manifest.json")["fit"]["workers"] == 2
    assert made(there, "manifest.json")["settings"]["model.distributed"] is True
    assert "grown on 2 workers" in (there / "models" / "1.0.0" / "card.md").read_text()
    said(local(guide.train), alone)
    mine, theirs = (
        pd.read_parquet(one / "models" / "1.0.0" / "holdout.parquet")["probability"] for one in (there, alone)
    )
    assert np.corrcoef(mine, theirs)[0, 1] > 0.95
    assert mine.mean() == pytest.approx(theirs.mean(), rel=0.1)
    assert not mine.equals(theirs)


@pytest.fixture
def in_parts(three_tables, registered, tmp_path) -> Path:
    """An artifacts folder with a version, and the same tables in parts."""
    from tests import made

    artifacts = shutil.copytree(registered, tmp_path / "artifacts")
    shutil.rmtree(artifacts / "snapshots")
    made.snapshot(artifacts, three_tables, partitions=PARTS)
    return artifacts


def listed(mlsys, command: str, artifacts: Path, *more: str) -> str:
    """Run the guide's `score`, and return the list."""
    out = artifacts / "list.csv"
    done = mlsys(*shlex.split(command)[1:], "--version=1.0.0", f"--out={out}", *more, artifacts=artifacts)
    assert done.returncode == 0, done.stderr
    return out.read_text()


@pytest.mark.slow  # starts processes
def test_workers_read_parts_from_the_folder_or_from_s3_to_the_same_lists_though_one_is_killed(
    guide, in_parts, mlsys, said, tmp_path
):
    alone = listed(mlsys, local(guide.score), in_parts)
    with s3_server("guide") as address, guide.followed(tmp_path):
        killer = guide.killing(at_work)
        assert listed(mlsys, guide.score, in_parts) == alone
        killer.join()
        guide.wait_for_workers()
        assert listed(mlsys, guide.score, in_parts, f"--set=engine.storage={address}") == alone
        again = shutil.copytree(in_parts, tmp_path / "again")
        lists = said(guide.evaluate, again, f"--set=engine.storage={address}")
        assert said(local(guide.evaluate), in_parts) == lists
        files, root = FileSystem.from_uri(address)
        found = files.get_file_info(FileSelector(root, recursive=True))
        assert sum(one.type == FileType.File for one in found) == 2 * PARTS


MAPPED = {
    "lists": ("evaluate", ()),
    "seeds": ("train", ()),
    "resampling": ("train", ("--set=report.seeds=0", "--set=report.resampling=true")),
}


def at_work(keys: set[str]) -> bool:
    """Whether a piece of what is mapped is in hand."""
    return any(key.startswith("checked") for key in keys)


@pytest.mark.slow  # starts processes
def test_a_worker_that_is_killed_in_any_phase_changes_no_result(guide, ingested, said, tmp_path):
    found = []
    with guide.followed(tmp_path):
        for phase, (command, more) in MAPPED.items():
            there, alone = (shutil.copytree(ingested, tmp_path / f"{phase}-{name}") for name in "ab")
            guide.wait_for_workers()
            killer = guide.killing(at_work)
            lists = said(getattr(guide, command), there, *more)
            killer.join()
            again = said(local(getattr(guide, command)), alone, *more)
            if phase != "lists":
                lists, again = (made(one, "evidence.json")[phase] for one in (there, alone))
                assert lists
            found.append((phase, lists == again))
    assert found == [(phase, True) for phase in MAPPED]


@pytest.mark.slow  # starts processes
def test_a_killed_command_leaves_nothing_registered_and_the_workers_free(
    guide, ingested, said, mlsys, tmp_path
):
    artifacts = shutil.copytree(ingested, tmp_path / "artifacts")
    more = ["--set=report.seeds=40", f"--artifacts={artifacts}"]
    words = [sys.executable, "-m", "ml_sys", *shlex.split(guide.train)[1:], *QUICKLY, *more]
    quiet = subprocess.DEVNULL
    with guide.followed(tmp_path):
        with (
            subprocess.Popen(words, stdout=quiet, stderr=quiet) as command,
            distributed_client(guide.address) as beside,
        ):
            until(lambda: at_work({key for keys in beside.processing().values() for key in keys}), PATIENCE)
            command.kill()
            until(lambda: not any(beside.processing().values()), PATIENCE)
        assert json.loads(mlsys("history", "--json", artifacts=artifacts).stdout) == {"records": []}
        assert said(guide.train, artifacts)["version"] == "1.0.0"
    assert mlsys("verify", artifacts=artifacts).returncode == 0
    assert {one.name for one in (artifacts / "models").iterdir() if one.is_dir()} == {"1.0.0"}


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("command", ["train", "distributed"])
def test_a_scheduler_that_is_killed_ends_a_command_with_one_line(command, guide, ingested, mlsys, tmp_path):
    artifacts = shutil.copytree(ingested, tmp_path / "artifacts")
    endless = "--set=model.trees=1000000", "--set=model.max_trees=1000000", "--set=report.seeds=40"
    more = endless if command == "distributed" else endless[2:]
    with guide.followed(tmp_path) as scheduler:
        killer = threading.Thread(target=guide.kill_scheduler, args=(scheduler,))
        killer.start()
        done = mlsys(*shlex.split(getattr(guide, command))[1:], *QUICKLY, *more, artifacts=artifacts)
        killer.join()
    assert done.returncode == 1, done.stdout
    told = "error: the Dask scheduler was lost\n  start it anew, and run the command again\n"
    assert done.stderr.endswith(told)
    assert "Traceback" not in done.stderr
    assert json.loads(mlsys("history", "--json", artifacts=artifacts).stdout) == {"records": []}


@pytest.mark.slow  # starts processes
def test_a_worker_that_is_killed_while_the_versions_trees_grow_leaves_one_line_and_no_version(
    guide, ingested, mlsys, tmp_path
):
    artifacts = shutil.copytree(ingested, tmp_path / "artifacts")
    endless = "--set=model.trees=1000000", "--set=model.max_trees=1000000"
    with guide.followed(tmp_path):
        killer = guide.killing(bool)
        done = mlsys(*shlex.split(guide.distributed)[1:], *QUICKLY, *endless, artifacts=artifacts)
        killer.join()
    assert done.returncode == 1, done.stdout
    assert "was lost while trees grew" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(artifacts.glob("models/*/manifest.json"))
    assert json.loads(mlsys("history", "--json", artifacts=artifacts).stdout) == {"records": []}
