"""Mapping over partitions: the same bits in their order, however many run side by side and whoever dies."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml_sys.engine.mapping import FEW_PARTS, Engine
from ml_sys.errors import EngineError
from ml_sys.settings import EngineSettings
from tests.engine import tasks

TASK = partial(tasks.rotated, tasks.WEIGHTS)
EXPECTED = [TASK(number) for number in range(7)]


@pytest.mark.parametrize("workers", [1, 2, 0])
def test_results_are_the_same_bits_in_the_order_of_the_partitions(workers: int) -> None:
    done = {}
    found = Engine(workers=workers).map(TASK, range(7), on_done=done.__setitem__)
    np.testing.assert_array_equal(found, EXPECTED)
    assert sorted(done) == list(range(7))
    np.testing.assert_array_equal(done[3], EXPECTED[3])


def test_nothing_to_do_starts_nothing() -> None:
    assert Engine(kind="dask", address="tcp://nowhere:1").map(tasks.failing, []) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_task_raises_comes_through(workers: int) -> None:
    with pytest.raises(KeyError, match="task 0"):
        Engine(workers=workers).map(tasks.failing, [0])


def test_a_worker_that_is_killed_costs_what_it_had_in_hand(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def done(number: int, _: object) -> None:
        if number == 0:
            (tmp_path / "done").touch()

    task = partial(tasks.killed_once, tmp_path, 4, tasks.WEIGHTS)
    with caplog.at_level(logging.WARNING):
        found = Engine(workers=2).map(task, range(7), on_done=done)
    np.testing.assert_array_equal(found, EXPECTED)
    assert len(tasks.runs(tmp_path, 0)) == 1
    assert len(tasks.runs(tmp_path, 4)) == 2
    assert "a worker died" in caplog.text


@pytest.mark.slow  # each of the deaths takes a new pool
def test_a_task_that_kills_every_worker_ends_the_work_with_a_line() -> None:
    with pytest.raises(EngineError, match="died 3 times") as caught:
        Engine(workers=2).map(tasks.always_killed, range(3))
    assert "engine.workers" in str(caught.value.hint)


@pytest.mark.slow  # as above
def test_workers_may_die_as_often_as_something_is_done_in_between(tmp_path: Path) -> None:
    def done(number: int, _: object) -> None:
        (tmp_path / f"done-{number}").touch()

    found = Engine(workers=2).map(partial(tasks.killed_first, tmp_path), range(3), on_done=done)
    assert found == [0, 1, 2]


def test_the_engine_is_what_the_settings_say() -> None:
    assert Engine.of(EngineSettings()) == Engine("local", 0, "")
    asked = EngineSettings(kind="dask", workers=3, address="tcp://10.0.0.5:8786")
    assert Engine.of(asked) == Engine("dask", 3, "tcp://10.0.0.5:8786")


def test_a_few_parts_are_worked_on_here_unless_a_number_of_workers_or_a_cluster_is_named() -> None:
    assert Engine().for_parts(FEW_PARTS - 1) == Engine(workers=1)
    assert Engine(workers=1).is_here
    for engine in (Engine(workers=2), Engine("dask"), Engine("dask", workers=1)):
        assert engine.for_parts(3) == engine
        assert not engine.is_here
    assert Engine().for_parts(FEW_PARTS) == Engine()
    assert not Engine().is_here
