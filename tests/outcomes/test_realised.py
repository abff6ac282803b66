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
    assert promise_check("promised", p, kept, LIMITS)[0].p > 0.9
    (found,) = promise_check("promised", p, halved, LIMITS)
    assert found.effect == pytest.approx(20.5 / 8.5)
    assert found.p < 0.01
    assert promise_check("promised", [], [], LIMITS) == []


def test_a_version_may_grow_old_and_no_older():
    assert age_check(180, LIMITS).effect == age_check(180, LIMITS).limit
    assert age_check(181, LIMITS).effect > age_check(181, LIMITS).limit


def test_windows_begin_on_their_first_day_and_end_before_their_last():
    # Thirty days up to day 210, and the hundred and eighty before: each with a closing on its first day, on
    # its last, and on the day after.
    days = np.array([0, 29, 30, 179, 180, 209, 210, NEVER], dtype=np.int32)
    (found,) = rate_check(days, 210, 0, 30, LIMITS)
    assert (found.now, found.reference) == (2, pytest.approx(4 * 30 / 180))
    assert (found.group, found.name, found.unit) == (
        "outcomes", "conversions of the last 30 days", "conversions",
    )  # fmt: skip
    assert found.limit == LIMITS.max_conversion_factor
    assert found.effect == pytest.approx(2.5 / (4 / 6 + 0.5))
    longer = np.append(days, np.array([-30], dtype=np.int32))
    assert rate_check(longer, 210, -100, 30, LIMITS)[0].reference == pytest.approx(4 * 30 / 180)


def test_a_single_window_before_tells_a_rate_and_a_day_less_does_not():
    assert (
        rate_check(closed(3, 60), 210, 150, 30, LIMITS)[0].reference
        == ((closed(3, 60) >= 150) & (closed(3, 60) < 180)).sum()
    )
    assert rate_check(closed(3, 60), 210, 151, 30, LIMITS) == []


def test_the_age_of_a_model_is_told_whole():
    found = age_check(12, LIMITS)
    assert (found.group, found.name) == ("age", "days since the model's data end")
    assert (found.now, found.reference, found.unit, found.effect) == (12, 0, "days", 12)
    assert (found.limit, found.p) == (LIMITS.max_model_days, None)


def test_a_promise_check_is_told_whole():
    p = [np.full(1000, 0.01), np.full(500, 0.01)]
    lists = [matured(0, p[0], np.arange(1000) < 20), matured(7, p[1], np.arange(500) < 10)]
    (found,) = promise_check("promised", p, lists, LIMITS)
    assert (found.now, found.reference) == (30, pytest.approx(15))
    assert found.name == "promised"
    assert found.effect == pytest.approx(30.5 / 15.5)
    assert 0 < found.p < 0.01


def test_one_list_is_enough_to_judge_a_promise_by():
    p = np.full(1000, 0.01)
    (found,) = promise_check("promised", [p], [matured(0, p, np.arange(1000) < 10)], LIMITS)
    assert (found.now, found.reference) == (10, pytest.approx(10))
