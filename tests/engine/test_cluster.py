"""A Dask cluster: the same bits as here, from workers that have the same code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml_sys.engine import cluster
from ml_sys.engine.mapping import Engine
from ml_sys.errors import EngineError
from ml_sys.scratch import clear_scratch
from tests.engine import tasks
from tests.serve.servers import is_alive, until

distributed = pytest.importorskip("distributed", reason="Dask is an extra, and not installed")

TASK = partial(tasks.rotated, tasks.WEIGHTS)
EXPECTED = [TASK(number) for number in range(7)]


def own(worker: str) -> dict[str, str]:
    """Say the same here as on every worker but one, by its name in the environment."""
    return {"my_features": "other" if os.environ.get("WORKER") == worker else "mine"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the successor of a worker that died, however long a busy machine takes to start it."""
    monkeypatch.setattr(cluster, "_PATIENCE", 600)


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


def test_a_cluster_of_this_machine_logs_nothing_beside_what_is_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Engine("dask", workers=1).map(TASK, [0])
    assert caplog.messages == []


def test_all_that_is_mapped_while_a_cluster_is_held_shares_one_that_the_first_opens(
    threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[distributed.Client] = []

    class Counted(distributed.Client):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)
            opened.append(self)

    monkeypatch.setattr(distributed, "Client", Counted)
    engine, other = Engine("dask", address=threads), Engine("dask", workers=1, address=threads)
    with engine.held(), engine.held():
        assert opened == []
        for _ in range(2):
            np.testing.assert_array_equal(engine.map(TASK, range(3)), EXPECTED[:3])
        assert len(opened) == 1
        other.map(TASK, [0])
        assert len(opened) == 2
    engine.map(TASK, [0])
    assert [one.status for one in opened] == ["closed"] * 3


def test_processes_of_this_machine_need_no_cluster_to_be_held() -> None:
    with Engine(workers=1).held():
        np.testing.assert_array_equal(Engine(workers=1).map(TASK, range(2)), EXPECTED[:2])


def test_what_a_task_raises_on_a_worker_comes_through(threads: str) -> None:
    with pytest.raises(KeyError, match="task 3"):
        Engine("dask", address=threads).map(tasks.failing, [3])


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
def test_workers_that_die_while_they_are_sent_the_work_are_waited_for(tmp_path: Path) -> None:
    # Of two, as Dask may start none in place of one that dies in the moment in which it comes.
    task = partial(tasks.beside, tasks.Deadly(tmp_path, times=2))
    assert Engine("dask", workers=2).map(task, range(3)) == [0, 1, 2]
    assert len(tasks.runs(tmp_path, os.getpid())) == 2


@pytest.mark.slow  # starts processes
def test_a_second_worker_that_dies_while_it_is_sent_the_work_does_not_hold_it_up(tmp_path: Path) -> None:
    task = partial(tasks.beside_another, tasks.Deadly(tmp_path, spared=1))
    assert Engine("dask", workers=2).map(task, range(6)) == list(range(6))
    assert len(tasks.runs(tmp_path, os.getpid())) == 2


@pytest.mark.slow  # starts processes
def test_a_worker_that_has_just_died_is_waited_for_before_trees_are_grown() -> None:
    with Engine("dask", workers=1).cluster() as held:
        os.kill(*held.client.run(os.getpid).values(), signal.SIGKILL)
        assert len(held.checked_workers()) == 1


@pytest.mark.slow  # starts processes
def test_a_worker_may_die_over_what_takes_longer_to_send_than_a_worker_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, task = Engine("dask", workers=2), partial(tasks.beside, tasks.Deadly(tmp_path))
    with engine.held():
        engine.map(TASK, range(3))
        monkeypatch.setattr(cluster, "_PATIENCE", 0)
        assert engine.map(task, range(3)) == [0, 1, 2]
    assert len(tasks.runs(tmp_path, os.getpid())) == 1


@pytest.mark.slow  # starts processes, again and again
def test_workers_that_die_over_what_they_are_sent_each_time_end_the_work_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 3)
    monkeypatch.setattr(cluster, "_TRIES", 1)
    task = partial(tasks.beside, tasks.Deadly(tmp_path, times=1000))
    with pytest.raises(EngineError, match=r"no worker any more|die") as caught:
        Engine("dask", workers=1).map(task, range(3))
    assert caught.value.hint


@pytest.mark.slow  # starts processes, again and again
def test_a_task_that_kills_every_worker_ends_the_work_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 60)
    with pytest.raises(EngineError, match=r"died|no worker any more") as caught:  # as Dask may start no other
        Engine("dask", workers=2).map(tasks.always_killed, range(2))
    assert caught.value.hint


@pytest.mark.slow  # starts processes
def test_one_of_two_workers_with_other_code_is_enough_to_be_refused() -> None:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as here:
        with distributed.Client(here, set_as_default=False) as client:
            workers = client.run(os.getpid)
            client.run(tasks.name_worker, "second", workers=[max(workers)])
        engine = Engine("dask", address=here.scheduler_address, code=partial(own, "second"))
        with pytest.raises(EngineError, match="my_features is other there and mine here"):
            engine.map(tasks.where, range(20))


@pytest.mark.slow  # starts processes
def test_a_cluster_that_was_held_leaves_no_process_no_file_and_no_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, engine, workers = dict(os.environ), Engine("dask", workers=2), []
    with engine.held():
        for _ in range(2):
            np.testing.assert_array_equal(engine.map(TASK, range(7)), EXPECTED)
            assert dict(os.environ) == before
            with engine.cluster() as held:
                workers.append({*held.client.run(os.getpid).values()})
        assert list(tmp_path.iterdir())
    assert workers[0] == workers[1]
    until(lambda: not any(map(is_alive, workers[0])))
    clear_scratch(cluster._SCRATCH)  # as the next command does, where a worker ended late
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == before


@pytest.mark.slow  # starts processes
def test_a_killed_command_takes_its_workers_along_and_the_next_one_clears_what_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, sys\n"
        "from ml_sys.engine.mapping import Engine\n"
        "from tests.engine import tasks\n"
        "if __name__ == '__main__':\n"
        "    with Engine('dask', workers=2).held():\n"
        "        with Engine('dask', workers=2).cluster() as held:\n"
        "            print(*held.client.run(os.getpid).values(), flush=True)\n"
        "        Engine('dask', workers=2).map(tasks.endless, range(4))\n"
    )
    place = tmp_path / "script.py"
    place.write_text(script)
    (tmp_path / "temporary").mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path / "temporary"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with subprocess.Popen([sys.executable, place], env=environment, stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        workers = [int(word) for word in command.stdout.readline().split()]
        command.kill()
    assert len(workers) == 2
    until(lambda: not any(map(is_alive, workers)))
    left = {one.name for one in (tmp_path / "temporary").glob("*mlsys-dask*")}
    assert left
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with Engine("dask", workers=1).cluster():
        now = {one.name for one in (tmp_path / "temporary").glob("*mlsys-dask*")}
    assert not left & now


@pytest.mark.slow  # waits until the client gives up
def test_a_scheduler_that_is_gone_between_two_pieces_of_work_is_said_in_a_line() -> None:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as here:
        engine = Engine("dask", address=here.scheduler_address)
        with engine.held():
            engine.map(TASK, [0])
            here.close()
            with pytest.raises(EngineError, match="scheduler was lost"):
                engine.map(TASK, [1])


@pytest.mark.slow  # waits for workers that do not come
def test_where_no_worker_is_left_and_none_comes_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_LOOK", 1)
    monkeypatch.setattr(cluster, "_PATIENCE", 3)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as here:

        def gone(number: int, _: object) -> None:
            here.scale(0)

        engine = Engine("dask", address=here.scheduler_address)
        with engine.held():
            for _ in range(2):  # while work is in hand, and before any is sent
                with pytest.raises(EngineError, match="no worker any more") as caught:
                    engine.map(tasks.slowly, range(50), on_done=gone)
                assert "dask worker" in str(caught.value.hint)
