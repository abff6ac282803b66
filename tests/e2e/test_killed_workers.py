"""In every phase that goes part by part one worker is killed: what comes of it is the same to the byte.

What is fitted side by side, and the killing of workers over that, is in :mod:`tests.e2e.test_cluster`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_sys.data import snapshot as snapshots
from ml_sys.engine import cluster
from ml_sys.engine.mapping import Engine
from ml_sys.errors import ExitCode
from ml_sys.jobs.outcomes.shadow import made_again
from ml_sys.model.files.layout import BOOSTER, HOLDOUT, METRICS, PIPELINE, SCORER
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import MODELS, Registry
from ml_sys.text import date_of
from tests import made

distributed = pytest.importorskip("distributed", reason="Dask is an extra, and not installed")

pytestmark = pytest.mark.slow  # starts processes, again and again

PARTS = 5
QUICKLY = [
    f"--set={one}"
    for one in ("bootstrap.resamples=20", "gate.resamples=100", "gate.min_positives=1", "seed=3", "threads=1")
]
# Some rows are drawn to learn from; trees are grown by the one who asks.
SAMPLED = [
    f"--set={one}"
    for one in ("panel.max_rows=900", "panel.negatives_per_positive=4", "model.trees=2", "report.seeds=0")
]
# Every command that has parts worked on, in an order in which each finds what it needs.
COMMANDS = (
    "promote 1.0.0 --force --reason first",
    "promote 2.0.0 --dry-run",
    "monitor --version 1.0.0",
    "experiment plan --capacity 20",
    "score --hand-out --as-of AS_OF --reasons 2 --out OUT",
    "impact",
)
PHASES = {
    "_rules", "_probabilities", "_scored", "_arrived", "_found_again", "_recent", "_lists_of_part",
    "score_part", "_rule_scores", "_drawn", "_features", "_features_of_pairs",
}  # fmt: skip


def killed_once(marker: Path, function: Callable[[Any], Any], task: Any) -> Any:
    """Do a task; the first of all ends with its worker instead."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return function(task)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def phase_of(function: Any) -> str:
    """Return the name of what is mapped, which is within what it is bound to."""
    while isinstance(function, partial):
        function = next((one for one in function.args if callable(one)), function.func)
    return function.__name__


@pytest.fixture
def killing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Have each phase cost a cluster a worker, the first time that it is begun; the phases that did."""
    monkeypatch.setattr(cluster, "_PATIENCE", 600)  # however long a busy machine takes to start another
    died, each = set(), Engine.each

    def deadly(self: Engine, function: Any, partitions: Any, on_done: Any) -> None:
        phase = phase_of(function)
        if self.kind == "local" or phase in died:
            each(self, function, partitions, on_done)
            return
        marker = tmp_path / uuid.uuid4().hex
        each(self, partial(killed_once, marker, function), partitions, on_done)
        assert marker.exists()
        died.add(phase)

    monkeypatch.setattr(Engine, "each", deadly)
    return died


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
    ) as here:
        yield here.scheduler_address


@pytest.fixture
def places(several: Path, three_tables: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two artifacts folders with versions, and the tables in parts."""
    found = tmp_path / "alone", tmp_path / "there"
    for place in found:
        shutil.copytree(several, place)
        shutil.rmtree(place / "snapshots")
        made.snapshot(place, three_tables, partitions=PARTS)
    return found


def told(said: str, place: Path) -> object:
    """Return what a command said, without when it was said and of which place."""
    plain = json.loads(said.replace(str(place), ""))
    if plain.get("handed_out"):
        del plain["handed_out"]["listed"]["made_at"]
    return plain


def test_a_worker_that_is_killed_in_any_phase_changes_no_byte(
    mlsys, address, killing, places, everyone
) -> None:
    spread = "--set=engine.kind=dask", f"--set=engine.address={address}"
    as_of = date_of(everyone.as_of - 60)
    for command in COMMANDS:
        said = []
        for place, more in zip(places, ((), spread), strict=True):
            words = command.replace("AS_OF", as_of).replace("OUT", str(place / "list.csv")).split()
            done = mlsys(*words, *QUICKLY, *more, "--json", artifacts=place)
            assert done.returncode in {0, ExitCode.ALARM, ExitCode.GATE_REFUSED}, done.stderr
            said.append(told(done.stdout, place))
        assert said[0] == said[1], command
    for place, more in zip(places, ((), spread), strict=True):
        done = mlsys("train", "--quick", *QUICKLY, *SAMPLED, *more, artifacts=place)
        assert done.returncode == 0, done.stderr
    new = {max((place / MODELS).iterdir(), key=lambda one: one.stat().st_ctime).name for place in places}
    assert len(new) == 1
    for name in (BOOSTER, PIPELINE, HOLDOUT, SCORER, METRICS):
        files = [(place / MODELS / min(new) / name).read_bytes() for place in places]
        assert files[0] == files[1], name
    assert killing == PHASES
    alone, there = ((place / "list.csv").read_bytes() for place in places)
    assert alone == there


def test_lists_of_the_past_are_made_again_by_workers_one_of_whom_is_killed(address, killing, places) -> None:
    scorer, known = load_scorer(Registry(places[0]), "1.0.0"), snapshots.everyone(places[0])
    cutoffs = np.array([known.as_of - 56, known.as_of - 28], dtype=np.int32)
    alone = made_again(known, scorer, cutoffs, 30).outcomes
    there = made_again(known, scorer, cutoffs, 30, Engine("dask", address=address)).outcomes
    assert killing == {"_lists_of_part"}
    for name in ("score", "label", "cutoff", "company"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(there, name))
