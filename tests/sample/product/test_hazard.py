import numpy as np
import pytest

from ml_sys.sample.hazard import LAG_WEEKS
from ml_sys.sample.product.hazard import weekly_hazard
from ml_sys.sample.product.simulation import WEEK_DAYS, draw_workspaces, free_log

WEEKS, N = 20, 200


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    ones = draw_workspaces(rng, N, WEEKS)
    return ones, free_log(rng, ones, WEEKS)


def test_nobody_buys_up_to_the_week_of_the_sign_up(drawn):
    ones, log = drawn
    hazard = weekly_hazard(ones, log, WEEKS)
    for one in range(N):
        later = np.arange(hazard.shape[1]) > ones.week[one]
        assert (hazard[one, ~later] == 0).all()
        assert (hazard[one, later] > 0).all()


def test_the_hazard_of_a_week_rests_on_what_was_over_before(drawn):
    ones, log = drawn
    cutoff = 10
    known = log.take(log.day < WEEK_DAYS * cutoff)
    settled = cutoff + LAG_WEEKS + 1
    assert np.array_equal(
        weekly_hazard(ones, log, WEEKS)[:, :settled], weekly_hazard(ones, known, WEEKS)[:, :settled]
    )
    assert not np.array_equal(weekly_hazard(ones, log, WEEKS), weekly_hazard(ones, known, WEEKS))


def test_more_people_and_more_kinds_mean_a_higher_hazard(drawn):
    ones, log = drawn
    quiet = log.take((log.member == 0) & (log.kind == 0))
    assert weekly_hazard(ones, log, WEEKS).mean() > weekly_hazard(ones, quiet, WEEKS).mean()
