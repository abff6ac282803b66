"""Calls side by side: results in order, few of them at a time, an error as it would be alone."""

from __future__ import annotations

import threading

import pytest

from ml_sys.scoring.streaming.side_by_side import side_by_side


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("jobs", [0, 1, 2, 20])
def test_results_come_in_the_order_of_their_jobs(threads, jobs):
    found = side_by_side(lambda a, b: a * b, ((job, 2) for job in range(jobs)), threads)
    assert list(found) == [2 * job for job in range(jobs)]


def test_few_jobs_are_taken_ahead_of_the_result_that_is_waited_for():
    taken = []

    def jobs():
        for job in range(30):
            taken.append(job)
            yield (job,)

    ahead = [len(taken) - done for done in side_by_side(lambda job: job, jobs(), 2)]
    assert max(ahead) <= 4


def test_jobs_run_at_the_same_time():
    both = threading.Barrier(2, timeout=60)
    assert list(side_by_side(lambda job: job and both.wait() >= 0, ((job,) for job in range(3)), 2)) == [
        0,
        True,
        True,
    ]


def test_a_single_thread_is_that_of_the_caller():
    found = side_by_side(threading.get_ident, ((),) * 3, 1)
    assert set(found) == {threading.get_ident()}


@pytest.mark.parametrize("fails", [0, 5])
def test_an_error_ends_it(fails):
    def of(job):
        if job == fails:
            raise ValueError("no")
        return job

    with pytest.raises(ValueError, match="no"):
        list(side_by_side(of, ((job,) for job in range(8)), 2))
