"""A Dask cluster: the same bits as here, from workers that have the same code."""

from __future__ import annotations

import os
import pickle
import platform
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from ml_sys.engine import cluster
from ml_sys.engine.mapping import Engine
from ml_sys.errors import EngineError
from tests.engine import tasks

distributed = pytest.importorskip("distributed", reason="Dask is an extra, and not installed")

TASK = partial(tasks.rotated, tasks.WEIGHTS)
EXPECTED = [TASK(number) for number in range(7)]


def own(worker: str) -> dict[str, str]:
    """Say the same here as on every worker but one, by its name in the environment."""
    return {"my_features": "other" if os.environ.get("WORKER") == worker else "mine"}


@pytest.fixture(scope="module")
def threads() -> Iterator[str]:
    """The address of a cluster whose workers are threads of this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as here:
        yield here.scheduler_address


def test_a_cluster_gives_the_same_bits_in_the_order_of_the_partitions(threads: str) -> None:
    done = {}
    found = Engine("dask", address=threads).map(TASK, range(7), on_done=done.__setitem__)
    np.testing.assert_array_equal(found, EXPECTED)
    assert sorted(done) == list(range(7))


def test_what_a_task_raises_on_a_worker_comes_through(threads: str) -> None:
    with pytest.raises(KeyError, match="task 3"):
        Engine("dask", address=threads).map(tasks.failing, [3])


def test_a_worker_with_other_code_is_refused_and_what_differs_is_named() -> None:
    here = cluster.code_here(dict)
    other = {**here, "numpy": "1.0", "my_features": "0123456789abcdef0123456789abcdef"}
    with pytest.raises(EngineError, match="other code") as caught:
        cluster._checked(tasks.where, dict, other, 1)
    assert f"numpy is {np.__version__} there and 1.0 here" in caught.value.message
    assert "my_features is missing there and 0123456789abcdef0123 here" in caught.value.message
    assert cluster._checked(tasks.where, dict, here, 1) == os.getpid()
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # as it comes from a worker
    assert (again.message, again.hint) == (caught.value.message, caught.value.hint)


def test_code_is_the_source_of_mlsys_the_libraries_and_what_is_named() -> None:
    found = cluster.code_here(lambda: {"my_features": "1"})
    assert found["Python"] == platform.python_version().rpartition(".")[0]
    assert found["mlsys"].startswith(f"{version('ml-sys')} (")
    assert (found["numpy"], found["my_features"]) == (version("numpy"), "1")
    assert {"xgboost", "scikit-learn"} <= set(found)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EngineError, match="needs Dask") as caught:
        Engine("dask").map(TASK, [1])
    assert caught.value.hint == 'pip install "ml-sys[dask]"'


@pytest.mark.slow  # waits until nobody can be expected to answer
def test_an_address_where_nobody_answers_is_named() -> None:
    with pytest.raises(EngineError, match=r"tcp://127\.0\.0\.1:9") as caught:
        Engine("dask", address="tcp://127.0.0.1:9").map(TASK, [1])
    assert "dask scheduler" in str(caught.value.hint)


@pytest.mark.slow  # starts processes
def test_two_processes_give_the_same_bits_though_one_is_killed(tmp_path: Path) -> None:
    def done(number: int, _: object) -> None:
        (tmp_path / "done").touch()

    task = partial(tasks.killed_once, tmp_path, 4, tasks.WEIGHTS)
    found = Engine("dask", workers=2).map(task, range(7), on_done=done)
    np.testing.assert_array_equal(found, EXPECTED)
    assert len(tasks.runs(tmp_path, 4)) == 2


@pytest.mark.slow  # starts a process
def test_the_only_process_is_killed_and_its_successor_does_what_is_left(tmp_path: Path) -> None:
    def done(number: int, _: object) -> None:
        (tmp_path / "done").touch()

    before = dict(os.environ)
    task = partial(tasks.killed_once, tmp_path, 4, tasks.WEIGHTS)
    found = Engine("dask", workers=1).map(task, range(7), on_done=done)
    np.testing.assert_array_equal(found, EXPECTED)
    assert dict(os.environ) == before, (
        "what Dask sets for its workers, such as one thread, holds here as well"
    )


@pytest.mark.slow  # starts processes, again and again
def test_a_task_that_kills_every_worker_ends_the_work_with_a_line() -> None:
    with pytest.raises(EngineError, match="died") as caught:
        Engine("dask", workers=2).map(tasks.always_killed, range(2))
    assert "memory" in str(caught.value.hint)


@pytest.mark.slow  # starts processes
def test_one_of_two_workers_with_other_code_is_enough_to_be_refused() -> None:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as here:
        with distributed.Client(here, set_as_default=False) as client:
            workers = client.run(os.getpid)
            client.run(tasks.name_worker, "second", workers=[max(workers)])
        engine = Engine("dask", address=here.scheduler_address)
        with pytest.raises(EngineError, match="my_features is other there and mine here"):
            engine.map(tasks.where, range(20), code=partial(own, "second"))
