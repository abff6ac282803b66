"""The guide to a cluster, followed: scheduler and workers started by hand, and the commands against them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.servers import until

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
# Where our own code is found; the workers' folder is another one than the command's.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def started(command: str, folder: Path) -> subprocess.Popen[bytes]:
    words = [str(Path(sys.executable).with_name("dask")), *shlex.split(command)[1:]]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, cwd=folder, env=ENVIRONMENT, stdout=quiet, stderr=quiet)


@contextlib.contextmanager
def by_hand(scheduler: str, worker: str, address: tuple[str, int], folder: Path) -> Iterator[None]:
    with started(scheduler, folder) as one:
        try:
            until(lambda: answers(address))
            with started(worker, folder) as other:
                try:
                    yield
                finally:
                    other.terminate()
        finally:
            one.terminate()


def answers(address: tuple[str, int]) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(address) == 0


@pytest.mark.slow  # starts processes
def test_the_guide_leads_to_the_same_results_as_this_machine(ingested, mlsys, tmp_path):
    pytest.importorskip("distributed", reason="Dask is an extra, and not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = [one.replace("10.0.0.5", "127.0.0.1").replace("8786", str(port)) for one in COMMANDS]
    scheduler, worker, evaluate, train = here
    there, alone = (shutil.copytree(ingested, tmp_path / name) for name in ("there", "alone"))

    def said(command: str, artifacts: Path) -> dict:
        done = mlsys(*shlex.split(command)[1:], *QUICKLY, "--json", artifacts=artifacts)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with by_hand(f"{scheduler} --no-dashboard", f"{worker} --no-dashboard", ("127.0.0.1", port), tmp_path):
        lists, version = said(evaluate, there), said(train, there)
    local = [one.partition(" --set")[0] for one in (evaluate, train)]
    assert said(local[0], alone) == lists
    again = said(local[1], alone)
    assert version["version"] == again["version"] == "1.0.0"
    seeds = [
        json.loads((one / "models" / "1.0.0" / "evidence.json").read_text())["seeds"]
        for one in (there, alone)
    ]
    assert seeds[0] == seeds[1]
    assert seeds[0]
