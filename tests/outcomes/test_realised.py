import numpy as np
import pytest

from ml_sys.outcomes.realised import age_check, matured, promise_check, rate_check
from tests.outcomes.watched import LIMITS

NEVER = np.iinfo(np.int32).max


def closed(now, before):
    """Closings in the last 30 of 210 days, and evenly in the 180 days before."""
    days = [*[200] * now, *np.linspace(0, 179, before).astype(int), *[NEVER] * 500]
    return np.array(days, dtype=np.int32)


def test_conversions_at_their_usual_rate_are_half_a_conversion_from_it_at_most():
    (found,) = rate_check(closed(10, 60), 210, 0, 30, LIMITS)
    assert (found.now, found.reference, found.effect, found.p) == (10, 10, 1.0, 1.0)


def test_conversions_that_stop_ring():
    (found,) = rate_check(closed(0, 60), 210, 0, 30, LIMITS)
    assert found.p == pytest.approx(2 * (6 / 7) ** 60)
    assert found.effect == pytest.approx(10.5 / 0.5)


def test_too_short_a_past_tells_no_rate():
    assert rate_check(closed(3, 60), 210, 160, 30, LIMITS) == []


def test_windows_before_the_log_do_not_count():
    (found,) = rate_check(closed(10, 60), 210, 120, 30, LIMITS)
    assert found.reference == pytest.approx(10, abs=0.6)


def test_a_list_is_put_beside_what_came():
    found = matured(0, np.full(1000, 0.01), np.arange(1000) < 7)
    assert (found.cutoff, found.prospects, found.came) == ("1970-01-01", 1000, 7)
    assert found.expected == pytest.approx(10)
    assert (found.low, found.high) == (4, 17)


def test_promises_are_judged_over_all_lists_together():
    p = [np.full(1000, 0.01)] * 2
    kept = [matured(0, one, np.arange(1000) < 10) for one in p]
    halved = [matured(0, one, np.arange(1000) < 4) for one in p]
    assert promise_check(p, kept, LIMITS)[0].p > 0.9
    (found,) = promise_check(p, halved, LIMITS)
    assert found.effect == pytest.approx(20.5 / 8.5)
    assert found.p < 0.01
    assert promise_check([], [], LIMITS) == []


def test_a_version_may_grow_old_and_no_older():
    assert age_check(180, LIMITS).effect == age_check(180, LIMITS).limit
    assert age_check(181, LIMITS).effect > age_check(181, LIMITS).limit
