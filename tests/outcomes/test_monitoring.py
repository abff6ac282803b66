import math

import pytest

from ml_sys.outcomes.monitoring import Check, Monitoring, change, rung


def check(effect, p=None, group="inputs", limit=0.1):
    return Check(group, "one", 1.0, 2.0, "value", effect, limit, p)


def test_an_effect_beyond_its_limit_rings_where_chance_has_no_part():
    assert [one.alarm for one in rung([check(0.2), check(0.1), check(math.nan)], 0.05)] == [
        True,
        False,
        False,
    ]


def test_where_chance_has_a_part_the_adjusted_p_value_has_to_be_small_as_well():
    found = rung([check(0.2, 0.001), check(0.2, 0.03), check(0.05, 0.001), check(0.2, 0.9)], 0.03)
    assert [one.p for one in found] == [0.002, 0.04, 0.002, 0.9]
    assert [one.alarm for one in found] == [True, False, False, False]


def test_conversions_are_adjusted_apart_from_inputs():
    inputs = [check(0.2, 0.5)] * 30
    assert rung([*inputs, check(0.2, 0.001, "outcomes")], 0.01)[-1].p == 0.001
    assert rung([*inputs, check(0.2, 0.001)], 0.01)[-1].p == pytest.approx(0.031)


def test_a_change_is_the_same_up_and_down():
    assert change(30, 60) == change(60, 30) == 0.5
    assert change(0, 0) == 0
    assert change(1, 0) == 1


def test_a_monitoring_names_what_rings():
    quiet, loud = rung([check(0.0), check(0.5)], 0.01)
    found = Monitoring("1.0.0", "a", "2020-01-06", "2020-01-06", "2020-01-06", 5, (quiet, loud))
    assert found.alarms == (loud,)
    plain = found.to_plain()
    assert plain["alarms"] == ["one"]
    assert (plain["version"], plain["prospects"], plain["checks"]) == ("1.0.0", 5, (quiet, loud))
    assert (found.features, found.matured, found.challengers, found.notes, found.page) == (
        (),
        (),
        (),
        (),
        None,
    )


def test_scores_are_adjusted_together_with_inputs_and_rows_that_arrived_by_themselves():
    inputs = [check(0.2, 0.5)] * 9
    assert rung([*inputs, check(0.2, 0.001, "scores")], 0.05)[-1].p == pytest.approx(0.01)
    for group in ("arrival", "outcomes", "age"):
        assert rung([*inputs, check(0.2, 0.001, group)], 0.05)[-1].p == 0.001


def test_on_its_limit_or_with_a_p_value_on_the_level_a_check_is_quiet():
    found = rung([check(0.1, 0.01), check(0.1001, 0.01), check(0.2, 0.05)], 0.05)
    assert [one.alarm for one in found] == [False, True, False]
    assert [one.p for one in found] == pytest.approx([0.015, 0.015, 0.05])
    (alone,) = rung([check(0.2, 0.05)], 0.05)
    assert (alone.p, alone.alarm) == (0.05, False)
    assert rung([], 0.05) == ()
