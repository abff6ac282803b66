import numpy as np
import pytest

from ml_sys.sample.product.simulation import CALL, WEEK_DAYS, draw_workspaces, free_log, joined, paid_log

WEEKS = 30


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    ones = draw_workspaces(rng, 300, WEEKS)
    return ones, free_log(rng, ones, WEEKS)


def test_nobody_does_anything_before_the_sign_up_or_after_the_log(drawn):
    ones, log = drawn
    assert (log.day >= ones.signed_up[log.workspace]).all()
    assert (log.day >= 0).all()
    assert (log.day < WEEK_DAYS * WEEKS).all()


def test_members_are_those_that_there_are(drawn):
    ones, log = drawn
    assert (log.member >= 0).all()
    assert (log.member < ones.members[log.workspace]).all()


def test_calls_alone_take_minutes(drawn):
    _, log = drawn
    assert np.array_equal(np.isnan(log.minutes), log.kind != CALL)


def test_who_pays_does_more(drawn):
    ones, log = drawn
    paid = paid_log(np.random.default_rng(1), ones, np.zeros(300, np.int64), WEEKS)
    assert len(paid.second) > 2 * len(log.second)


def test_joined_logs_hold_the_events_of_all(drawn):
    _, log = drawn
    both = joined([log, log.take(np.arange(3))])
    assert len(both.second) == len(log.second) + 3
    assert np.array_equal(both.kind[-3:], log.kind[:3])
