"""Twenty companies on one list, every figure worked out by hand; and which lists count at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ml_sys.outcomes.being_called import Reading
from ml_sys.outcomes.impact import compared_lists, impact
from ml_sys.outcomes.lists import HandedOutList
from ml_sys.report.impact_sentences import matured_sentence

LISTED = HandedOutList("1970-04-11-a", 100, "1.0.0", "", "", 30, 4, "lottery", 7, 20, 2.1, 20)
READING = Reading(as_of=133, grace_days=7, confidence=0.95, seed=1)
# The first eight are the pool, four of them called; twelve more are beyond it.
PROBABILITY = [0.4, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1, *[0.05] * 12]
INCLUSION = [0.8, 0.8, 0.6, 0.6, 0.4, 0.4, 0.2, 0.2, *[0.0] * 12]
CALLED = ["c1", "c3", "c4", "c5"]
MONEY = {"c1": 100.0, "c3": 50.0, "c2": 200.0, "c9": 10.0}
ACTIVE = {"c2": 9.0, "c9": 8.0, "c10": 7.0, "c11": 6.0}


def twenty(list_id: str = LISTED.list_id, cutoff: int = LISTED.cutoff) -> pd.DataFrame:
    names = [f"c{at}" for at in range(1, 21)]
    return pd.DataFrame(
        {
            "list_id": list_id,
            "cutoff": cutoff,
            "entity_id": names,
            "probability": PROBABILITY,
            "rank": range(1, 21),
            "tier": ["A"] * 4 + ["B"] * 4 + ["C"] * 12,
            "selected": [name in CALLED for name in names],
            "inclusion_probability": INCLUSION,
            "group": "",
            "converted": [name in MONEY for name in names],
            "money": [MONEY.get(name, 0.0) for name in names],
            "rule": [ACTIVE.get(name, 1.0) for name in names],
            "made": [name in {"c1", "c4", "c5"} for name in names],
        }
    )


@pytest.fixture(scope="module")
def found():
    return impact([LISTED], twenty(), READING, made=True)


def test_promised_and_realised_by_tier(found):
    a, b, c = found.tiers
    assert [one.name for one in found.tiers] == ["tier A", "tier B", "tier C"]
    assert [one.rows for one in found.tiers] == [4, 4, 12]
    assert [one.promised for one in found.tiers] == pytest.approx([1.1, 0.4, 0.6])
    assert [one.realised for one in found.tiers] == [3, 0, 1]
    # A: all four pay with .0048, at most three with .9952, at most two with .9384.
    assert (a.low, a.high) == (0, 3)
    # B: nobody pays with .9⁴ = .6561, at most one with .9477, at most two with .9963.
    assert (b.low, b.high) == (0, 2)
    # C: nobody with .95¹² = .5404, at most one with .8816, at most two with .9804.
    assert (c.low, c.high) == (0, 2)
    assert a.kept
    assert b.kept
    assert c.kept


def test_promised_and_realised_by_rank_and_altogether(found):
    assert [(one.name, one.rows, one.realised) for one in found.ranks] == [
        ("rank 1 to 10", 10, 4),
        ("rank 11 to 20", 10, 0),
    ]
    assert [one.promised for one in found.ranks] == pytest.approx([1.6, 0.5])
    assert (found.total.rows, found.total.realised) == (20, 4)
    assert found.total.promised == pytest.approx(2.1)


def test_what_the_calls_brought(found):
    called = found.called
    assert (called.rows, called.realised, called.money) == (4, 2, 150)
    assert called.promised == pytest.approx(0.4 + 0.2 + 0.2 + 0.1)
    assert called.precision.value == 2 / 4
    assert (called.precision.low, called.precision.high) == pytest.approx((0.15, 0.85), abs=1e-4)
    assert called.recall == 2 / 4  # of c1, c2, c3 and c9
    assert called.lift == pytest.approx((2 / 4) / (4 / 20))


def test_what_the_first_of_the_list_brought_called_or_not(found):
    first = found.first  # c1 to c4, of whom c4 did not pay
    assert (first.rows, first.realised, first.money) == (4, 3, 350)
    assert first.promised == pytest.approx(1.1)


def test_what_the_most_active_of_the_day_would_have_brought(found):
    rule = found.by_rule  # c2, c9, c10 and c11, of whom two paid
    assert (rule.rows, rule.realised, rule.money) == (4, 2, 210)
    assert rule.promised == pytest.approx(0.3 + 3 * 0.05)


@pytest.mark.parametrize("group", ["waiting", "cooling"])
def test_a_company_that_waits_is_not_held_against_the_calls_of_the_day(group):
    rows = twenty()
    rows.loc[rows["entity_id"] == "c9", "group"] = group
    found = impact([LISTED], rows, READING)
    rule = found.by_rule  # c2, c10, c11 and the first of the others, c1
    assert (rule.rows, rule.realised, rule.money) == (4, 2, 300)
    assert found.called.recall == pytest.approx(2 / 3)  # of c1, c2 and c3
    assert found.total.realised == 4


def effect_without(left_out):
    """Work the effect out again, company by company, as if one had not been on the list."""
    odds = {"c1": 0.8, "c2": 0.8, "c3": 0.6, "c4": 0.6, "c5": 0.4, "c6": 0.4, "c7": 0.2, "c8": 0.2}
    promised = {"c1": 0.4, "c2": 0.3, "c3": 0.2, "c4": 0.2}
    called, paid = {"c1", "c3", "c4", "c5"}, {"c1", "c2", "c3"}
    left = [name for name in odds if name != left_out]
    overall = sum(name in paid for name in left) / sum(promised.get(name, 0.1) for name in left)

    def ratio(names, weight, each):
        top, base = each * overall, each
        for name in names:
            top += weight[name] * (name in paid)
            base += weight[name] * promised.get(name, 0.1)
        return top / base

    of_called = {name: 1 / one for name, one in odds.items()}
    of_waiting = {name: 1 / (1 - one) for name, one in odds.items()}
    with_call = ratio([name for name in left if name in called], of_called, 1.770833)
    without = ratio([name for name in left if name not in called], of_waiting, 2.291667)
    total = 0.0
    for name in left:
        expected = promised.get(name, 0.1) * ((1 - odds[name]) * with_call + odds[name] * without)
        weight = 1 if name in called else -odds[name] / (1 - odds[name])
        total += weight * ((name in paid) - expected)
    return total


def test_what_being_called_did(found):
    effect = found.effect
    assert (effect.lists, effect.calls, effect.drawn, effect.waited) == (1, 4, 4, 4)
    assert (effect.drawn_paid, effect.waited_paid) == (2, 1)
    assert effect.anyway == pytest.approx(0.8 / 0.2)  # c2 paid uncalled and stands for four
    # Together 3 paid of 1.5 promised: 2 for 1. One conversion's worth of that is added to each arm.
    of_called = (1 / 0.8 + 1 / 0.6 + 2 * 1.770833) / (0.4 / 0.8 + 0.2 / 0.6 * 2 + 0.1 / 0.4 + 1.770833)
    of_waiting = (1 / 0.2 + 2 * 2.291667) / (0.3 / 0.2 + 0.1 / 0.6 + 2 * 0.1 / 0.8 + 2.291667)
    assert (of_called, of_waiting) == pytest.approx((2.026144, 2.277228), abs=1e-5)
    # What is expected of each, the odds of its chance where it waits, and what is left of its outcome:
    shares = {
        "c1": 1 - 0.890804, "c3": 1 - 0.435359, "c4": 0 - 0.435359, "c5": 0 - 0.212658,
        "c2": -4 * (1 - 0.668103), "c6": -2 / 3 * (0 - 0.212658),
        "c7": -1 / 4 * (0 - 0.207636), "c8": -1 / 4 * (0 - 0.207636),
    }  # fmt: skip
    assert effect.extra.value == pytest.approx(sum(shares.values()), abs=1e-4)  # −1.0562
    # What the effect loses without each company: without c2, the only one that paid uncalled, most of it.
    lost = np.array([sum(shares.values()) - effect_without(name) for name in shares])
    assert lost[list(shares).index("c2")] == pytest.approx(-1.8567, abs=1e-3)
    freedom = 2 * (lost**2).sum() ** 2 / (lost**4).sum()
    half = stats.t.ppf(0.975, freedom) * np.sqrt((lost**2).sum())
    assert effect.extra.high - effect.extra.value == pytest.approx(half, rel=2e-3)
    assert effect.too_few
    assert [(one.cutoff, one.extra) for one in effect.running] == [(100, effect.extra)]


def test_money_that_being_called_brought(found):
    paid = np.array([MONEY.get(f"c{at}", 0.0) for at in range(1, 9)])
    p, chance = np.array(PROBABILITY[:8]), np.array(INCLUSION[:8])
    called = np.array([f"c{at}" in CALLED for at in range(1, 9)])
    together = paid.sum() / p.sum()

    def per_promise(weight):
        each = weight[weight > 0].mean()
        return ((weight * paid).sum() + each * together) / ((weight * p).sum() + each)

    expected = p * (
        (1 - chance) * per_promise(called / chance) + chance * per_promise(~called / (1 - chance))
    )
    left = np.where(called, 1, -chance / (1 - chance)) * (paid - expected)
    assert found.effect.money.value == pytest.approx(left.sum())


def test_of_the_calls_made_one_is_missing(found):
    assert found.effect.complied.made == 3 / 4
    assert found.effect.complied.strayed == 0


def test_a_list_that_may_still_gain_counts_and_says_so(found):
    (told,) = found.lists
    assert (told.calls, told.realised, told.money, told.matures_on) == (4, 2, 150, 130)
    assert told.promised == pytest.approx(0.9)
    assert told.may_gain
    assert not impact([LISTED], twenty(), replace(READING, as_of=137)).lists[0].may_gain


def test_a_list_whose_window_is_open_waits_and_counts_for_nothing(found):
    later = replace(LISTED, list_id="later", cutoff=107)
    both = pd.concat([twenty(), twenty("later", 107)])
    with_it = impact([LISTED, later], both, READING, made=True)
    assert (with_it.lists[1].realised, with_it.lists[1].money, with_it.lists[1].may_gain) == (
        None,
        None,
        False,
    )
    assert with_it.lists[1].matures_on == 137
    assert replace(with_it, lists=found.lists) == found


def test_before_any_list_is_mature_there_is_nothing_to_say():
    found = impact([LISTED], twenty(), replace(READING, as_of=129))
    assert found.total is None
    assert found.effect is None
    assert found.compared == 0
    assert found.lists[0].calls == 4


def test_of_lists_whose_windows_overlap_the_latest_is_compared_and_all_carry_the_effect():
    later = replace(LISTED, list_id="later", cutoff=107)
    both = pd.concat([twenty(), twenty("later", 107)])
    found = impact([LISTED, later], both, replace(READING, as_of=200))
    assert found.compared == 1
    assert found.total.rows == 20
    assert found.effect.lists == 2
    assert found.effect.drawn == 8


def test_companies_that_were_taken_out_are_in_no_figure():
    rows = twenty()
    rows.loc[8, "group"] = "excluded"
    found = impact([LISTED], rows, READING)
    assert found.total.realised == 3


def test_who_had_paid_when_a_list_was_handed_out_counts_towards_its_promise_alone():
    rows, whole = twenty(), impact([LISTED], twenty(), READING)
    assert rows.loc[8, "converted"]
    rows.loc[8, ["group", "rank", "selected", "inclusion_probability"]] = ["paid since", 0, False, 0.0]
    found = impact([LISTED], rows, READING)
    assert (found.total, found.tiers, found.ranks) == (whole.total, whole.tiers, whole.ranks)
    assert (whole.called.recall, found.called.recall) == pytest.approx((2 / 4, 2 / 3))
    assert found.effect.extra == whole.effect.extra


def test_without_an_experiment_there_is_no_effect():
    plain = twenty().assign(inclusion_probability=lambda rows: rows["selected"].astype(float))
    found = impact([replace(LISTED, design="none")], plain, READING)
    assert found.effect is None
    assert found.called.realised == 2


def test_a_list_too_short_to_draw_from_has_no_effect_to_tell():
    everybody = twenty().assign(selected=True, inclusion_probability=1.0)
    effect = impact([LISTED], everybody, READING, made=True).effect
    assert (effect.drawn, effect.waited, effect.calls) == (0, 0, 0)
    assert np.isnan(effect.extra.low)
    assert effect.chance == 1
    assert effect.too_few


def test_where_no_usage_is_known_there_is_no_rule_to_compare_with():
    assert impact([LISTED], twenty().assign(rule=np.nan), READING).by_rule is None


def test_a_company_that_the_rule_does_not_know_comes_last_and_of_equal_ones_the_first_row():
    unknown = twenty()
    unknown.loc[unknown["entity_id"] == "c2", "rule"] = np.nan
    rule = impact([LISTED], unknown, READING).by_rule  # c9, c10, c11, and c1 as the first of all others
    assert (rule.rows, rule.realised, rule.money) == (4, 2, 110)


def test_of_each_list_as_many_are_held_against_the_calls_as_that_list_called():
    later = twenty("later", 200)
    later["selected"] = later["entity_id"] == "c7"
    both = pd.concat([twenty(), later], ignore_index=True)
    lists = [LISTED, replace(LISTED, list_id="later", cutoff=200)]
    found = impact(lists, both, replace(READING, as_of=400))
    assert found.compared == 2
    assert (found.first.rows, found.by_rule.rows) == (4 + 1, 4 + 1)
    assert found.by_rule.money == 210 + 200  # c2, c9, c10, c11 and c2 again


@pytest.mark.parametrize(
    ("lists", "as_of", "names"),
    [
        # Thirty days need five weeks: lists four weeks apart overlap, five weeks apart they do not.
        ([(100, 30), (128, 30)], 200, "b"),
        ([(100, 30), (135, 30)], 200, "ab"),
        ([(100, 28), (128, 28)], 200, "ab"),
        # The longest window of the mature ones counts, and that of an open list does not.
        ([(100, 28), (128, 30)], 200, "b"),
        ([(100, 28), (128, 28), (190, 60)], 200, "ab"),
        # A list whose window is open is not compared, and takes no other one's place.
        ([(100, 30), (110, 30)], 130, "a"),
        ([(100, 30)], 129, ""),
        ([], 129, ""),
    ],
)
def test_lists_are_compared_whose_windows_are_closed_and_do_not_overlap(lists, as_of, names):
    made = [
        replace(LISTED, list_id=name, cutoff=cutoff, horizon_days=horizon)
        for name, (cutoff, horizon) in zip("abc", lists, strict=False)
    ]
    assert compared_lists(made, as_of) == frozenset(names)


def test_a_list_by_a_rule_is_shown_with_what_came_and_promises_nothing() -> None:
    rule = replace(LISTED, list_id="1970-03-01-b", cutoff=60, version="rule: newest", design="none")
    both = pd.concat([twenty(rule.list_id, rule.cutoff).assign(probability=0.0), twenty()])
    told = impact([rule, LISTED], both, READING, made=True)
    alone = impact([LISTED], twenty(), READING, made=True)
    assert np.isnan(told.lists[0].promised)
    assert told.lists[0].realised == told.lists[1].realised
    assert replace(told, lists=alone.lists) == alone
    assert matured_sentence(told.lists[0]) == (
        "The last list whose outcome is known, 1970-03-01-b, was made by a rule and promised nothing: "
        "2 of 4 calls paid."
    )
