"""Campaigns: who is called when lists are worked down week by week, and which converters are reached."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.metrics.bootstrap import Estimate, cluster_counts
from ml_sys.metrics.campaign import Campaign, Lead, calls, play_season
from ml_sys.metrics.scored_lists import MODEL, RANDOM, ScoredLists

RULE = "most users in 30 days"
MONDAY = 18_000


def lists_of(scores: np.ndarray, pays_at: np.ndarray, horizon: int = 30) -> ScoredLists:
    """Lists of every company that has not paid, from scores of shape (weeks, companies)."""
    weeks, companies = scores.shape
    cutoff = np.repeat(MONDAY + 7 * np.arange(weeks), companies).astype(np.int32)
    company = np.tile(np.arange(companies), weeks).astype(np.int32)
    closed = pays_at[company]
    here = closed >= cutoff
    n = int(here.sum())
    return ScoredLists(
        cutoff=cutoff[here],
        company=company[here],
        label=(closed < cutoff.astype(np.int64) + horizon)[here],
        seen=np.ones(n, dtype=bool),
        closed=closed[here].astype(np.int32),
        value=np.full(n, np.nan),
        scores={MODEL: scores.ravel()[here], RULE: -scores.ravel()[here]},
        threshold=np.full(n, 0.5),
        tier=np.full(n, "C"),
    )


@st.composite
def seasons(draw: st.DrawFn) -> ScoredLists:
    weeks, companies = draw(st.integers(1, 8)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(0, 4, (weeks, companies)).astype(np.float64)  # many ties
    pays = np.where(rng.random(companies) < 0.5, MONDAY + rng.integers(0, 80, companies), NEVER_CLOSED)
    return lists_of(scores, pays)


@given(lists=seasons(), capacity=st.integers(1, 5), cooldown=st.integers(0, 5))
def test_calls_are_those_of_a_person_who_keeps_a_diary(
    lists: ScoredLists, capacity: int, cooldown: int
) -> None:
    expected = np.zeros(len(lists), dtype=bool)
    diary: dict[int, int] = {}
    for cutoff in sorted(set(lists.cutoff.tolist())):
        ranked = sorted(
            np.flatnonzero(lists.cutoff == cutoff), key=lambda row: (-lists.scores[MODEL][row], row)
        )
        free = [
            row
            for row in ranked
            if int(lists.company[row]) not in diary
            or (cutoff - diary[int(lists.company[row])]) / 7 >= cooldown
        ]
        for row in free[:capacity]:
            expected[row] = True
            diary[int(lists.company[row])] = cutoff
    np.testing.assert_array_equal(calls(lists, lists.scores[MODEL], capacity, cooldown), expected)


@given(lists=seasons(), capacity=st.integers(1, 4))
def test_a_season_counts_each_converter_once(lists: ScoredLists, capacity: int) -> None:
    season = play_season(
        lists, capacities=(capacity,), cooldown_weeks=4, resamples=20, confidence=0.95, seed=1
    )
    for cooldown in (0, 4):
        one = season.of(MODEL, capacity, cooldown)
        called = calls(lists, lists.scores[MODEL], capacity, cooldown)
        reached = set(lists.company[called & lists.label].tolist())
        assert one.converters.value == len(reached)
        assert one.of == len(set(lists.company[lists.label].tolist()))
        assert one.calls == called.sum()
        assert one.companies == len(set(lists.company[called].tolist()))
        assert one.lists == len(set(lists.cutoff.tolist()))
        assert one.precision == pytest.approx((called & lists.label).sum() / called.sum())


def ten_weeks() -> ScoredLists:
    """One company stands on top of every list and never pays; the next ones pay, one after the other."""
    scores = np.tile(np.linspace(1, 0, 10), (10, 1))
    pays = np.array([NEVER_CLOSED, *(MONDAY + 7 * np.arange(1, 10) + 1)])
    return lists_of(scores, pays)


def test_a_cool_down_reaches_converters_below_one_that_stands_on_top_for_weeks() -> None:
    season = play_season(
        ten_weeks(), capacities=(1, 2), cooldown_weeks=4, resamples=200, confidence=0.9, seed=3
    )
    without, rested = season.of(MODEL, 1, 0), season.of(MODEL, 1, 4)
    assert (without.converters.value, without.companies) == (0, 1)
    assert without.calls_per_converter == np.inf
    assert rested.converters.value > 5
    assert rested.calls_per_converter == rested.calls / rested.converters.value
    assert rested.share == rested.converters.value / 9
    assert rested.converters.low <= rested.converters.value <= rested.converters.high


def test_the_lead_over_another_ranker_is_the_difference_of_converters() -> None:
    season = play_season(
        ten_weeks(), capacities=(2,), cooldown_weeks=4, resamples=200, confidence=0.9, seed=3
    )
    for lead in season.leads:
        one, other = (
            season.of(ranker, lead.capacity, lead.cooldown_weeks) for ranker in (MODEL, lead.ranker)
        )
        assert lead.difference.value == one.converters.value - other.converters.value
        assert lead.difference.low <= lead.difference.value <= lead.difference.high


def lead_of(model: np.ndarray, rule: np.ndarray, pays_at: np.ndarray) -> Lead:
    """The lead of one ranker over another, one call a list and no cool-down."""
    lists = lists_of(model, pays_at)
    lists = replace(lists, scores={MODEL: lists.scores[MODEL], RULE: lists_of(rule, pays_at).scores[MODEL]})
    season = play_season(lists, capacities=(1,), cooldown_weeks=4, resamples=400, confidence=0.9, seed=3)
    return next(one for one in season.leads if one.cooldown_weeks == 0)


def test_two_rankers_that_reach_the_same_are_as_likely_to_reach_more() -> None:
    scores, pays = np.random.default_rng(4).random((10, 8)), np.full(8, MONDAY + 40)
    lead = lead_of(scores, scores, pays)
    assert (lead.difference.value, lead.difference.low, lead.difference.high) == (0, 0, 0)
    assert lead.probability_more == 0.5


def test_a_ranker_that_reaches_what_another_misses_is_sure_to_reach_more() -> None:
    pays = np.where(np.arange(8) < 6, MONDAY + 7 * np.arange(8) + 1, NEVER_CLOSED)
    first, last = np.tile(np.arange(8, 0, -1.0), (6, 1)), np.tile(np.arange(8.0), (6, 1))
    assert lead_of(first, last, pays).probability_more == 1
    assert lead_of(last, first, pays).probability_more == 0


def test_a_ranker_that_reaches_every_converter_reaches_as_many_as_there_are_in_every_resample() -> None:
    pays = np.array([MONDAY + 1, MONDAY + 2, MONDAY + 3, *[NEVER_CLOSED] * 5])
    lists = lists_of(np.arange(8, 0, -1.0)[None], pays)
    season = play_season(lists, capacities=(3,), cooldown_weeks=1, resamples=100, confidence=0.9, seed=3)
    for found in (season.of(MODEL, 3, 0).converters, season.leads[0].difference):
        assert (found.value, found.low, found.high) == (3, 3, 3)  # the rule reaches none


def test_each_of_two_rankers_that_reach_others_leads_in_the_resamples_that_the_other_loses() -> None:
    pays = np.array([MONDAY + 1, MONDAY + 2, NEVER_CLOSED])
    one, other = np.array([[2.0, 1.0, 0.0]]), np.array([[1.0, 2.0, 0.0]])
    there, back = lead_of(one, other, pays), lead_of(other, one, pays)
    # Of two converters, one is drawn more often than the other as often as the reverse; else it is a tie.
    assert 0.4 < there.probability_more < 0.6
    assert there.probability_more + back.probability_more == pytest.approx(1)


def test_chance_reaches_what_random_order_reaches_on_average() -> None:
    rng = np.random.default_rng(5)
    pays = np.where(np.arange(400) < 60, MONDAY + rng.integers(0, 60, 400), NEVER_CLOSED)
    lists = lists_of(rng.random((6, 400)), pays)
    season = play_season(lists, capacities=(20,), cooldown_weeks=4, resamples=50, confidence=0.95, seed=1)
    chance, model = season.of(RANDOM, 20, 0), season.of(MODEL, 20, 0)  # its scores are random here
    assert abs(chance.converters.value - model.converters.value) < 10
    assert np.isnan(chance.converters.low)


def test_chance_counts_a_converter_that_it_calls_again_and_again_once() -> None:
    pays = np.array([MONDAY + 25, NEVER_CLOSED, NEVER_CLOSED])
    season = play_season(
        lists_of(np.zeros((3, 3)), pays),
        capacities=(3,),
        cooldown_weeks=1,
        resamples=20,
        confidence=0.95,
        seed=1,
    )
    chance = season.of(RANDOM, 3, 0)
    assert (chance.lists, chance.calls, chance.companies) == (3, 9, 3)
    assert (chance.converters.value, chance.of, chance.precision) == (1, 1, pytest.approx(1 / 3))


def test_lists_without_a_converter_have_nobody_to_reach() -> None:
    lists = lists_of(np.zeros((2, 3)), np.full(3, NEVER_CLOSED))
    season = play_season(lists, capacities=(1,), cooldown_weeks=4, resamples=20, confidence=0.95, seed=1)
    one = season.of(MODEL, 1, 0)
    assert (one.converters.value, one.of, one.precision) == (0, 0, 0)
    assert np.isnan(one.share)


def test_the_interval_of_a_campaign_lies_where_that_share_of_the_resamples_does() -> None:
    pays = np.array([*(MONDAY + np.arange(10) % 7), *[NEVER_CLOSED] * 10])
    lists = lists_of(np.array([[*np.arange(10, 0, -1.0), *np.zeros(10)]]), pays)
    found = {
        confidence: play_season(
            lists, capacities=(5,), cooldown_weeks=1, resamples=400, confidence=confidence, seed=3
        )
        .of(MODEL, 5, 0)
        .converters
        for confidence in (0.5, 0.95)
    }
    drawn = np.concatenate(list(cluster_counts(20, 20, 400, 3)))[:, :10]
    share = drawn[:, :5].sum(axis=1) / drawn.sum(axis=1) * 10
    for confidence, one in found.items():
        tail = 50 * (1 - confidence)
        assert (one.low, one.high) == pytest.approx(tuple(np.percentile(share, (tail, 100 - tail))))


def test_lists_in_which_everybody_cools_down_count_as_lists() -> None:
    lists = lists_of(np.zeros((3, 2)), np.array([MONDAY + 25, NEVER_CLOSED]))
    season = play_season(lists, capacities=(2,), cooldown_weeks=4, resamples=20, confidence=0.95, seed=1)
    for ranker in (MODEL, RANDOM):
        one = season.of(ranker, 2, 4)
        assert (one.lists, one.calls, one.companies) == (3, 2, 2)


def test_chance_is_the_mean_of_twenty_seasons_of_random_calls() -> None:
    pays = np.array([MONDAY + 2, MONDAY + 9, MONDAY + 40, *[NEVER_CLOSED] * 4])
    lists = lists_of(np.zeros((4, 7)), pays)
    season = play_season(lists, capacities=(2,), cooldown_weeks=3, resamples=5, confidence=0.9, seed=9)
    for cooldown in (0, 3):
        rng, seasons = np.random.default_rng(9), []
        for _ in range(20):
            called = calls(lists, rng.random(len(lists)), 2, cooldown)
            hits = called & lists.label
            distinct = [len(set(lists.company[rows].tolist())) for rows in (called, hits)]
            seasons.append((called.sum(), *distinct, hits.sum()))
        made, companies, converters, paying = np.mean(seasons, axis=0)
        one = season.of(RANDOM, 2, cooldown)
        assert replace(one, converters=one.converters.value) == Campaign(  # type: ignore[arg-type]
            RANDOM, 2, cooldown, 4, round(made), round(companies), converters, 3, paying / made
        )
        assert np.isnan((one.converters.low, one.converters.high)).all()


def test_a_season_is_told_whole() -> None:
    # Three converters: the model calls the first two of the first list again on the second.
    pays = np.array([MONDAY + 8, MONDAY + 9, MONDAY + 10, NEVER_CLOSED])
    lists = lists_of(np.array([[4.0, 3, 2, 1], [4, 3, 2, 1]]), pays)
    season = play_season(lists, capacities=(2,), cooldown_weeks=2, resamples=60, confidence=0.8, seed=5)
    drawn = np.concatenate(list(cluster_counts(4, 4, 60, 5)))[:, :3]
    some = drawn[drawn.sum(axis=1) > 0]

    def bounds(counted_as: list[int]) -> tuple[float, ...]:
        return tuple(np.percentile(some @ counted_as / some.sum(axis=1) * 3, (10, 90)).tolist())

    assert season.of(MODEL, 2, 0) == Campaign(MODEL, 2, 0, 2, 4, 2, Estimate(2, *bounds([1, 1, 0])), 3, 1.0)
    assert season.of(RULE, 2, 0) == Campaign(RULE, 2, 0, 2, 4, 2, Estimate(1, *bounds([0, 0, 1])), 3, 0.5)
    assert season.of(MODEL, 2, 2) == Campaign(MODEL, 2, 2, 2, 4, 4, Estimate(3, 3, 3), 3, 0.75)
    gaps = some @ [1, 1, -1]
    lead = Lead(RULE, 2, 0, Estimate(1, *bounds([1, 1, -1])), np.mean(gaps > 0) + np.mean(gaps == 0) / 2)
    assert season.leads[0] == lead
    assert [(one.ranker, one.cooldown_weeks) for one in season.leads] == [(RULE, 0), (RULE, 2)]


def test_without_a_call_there_is_no_precision() -> None:
    lists = lists_of(np.zeros((1, 2)), np.array([MONDAY + 1, NEVER_CLOSED]))
    season = play_season(lists, capacities=(0,), cooldown_weeks=1, resamples=4, confidence=0.9, seed=2)
    for ranker in (MODEL, RANDOM):
        assert (season.of(ranker, 0, 0).calls, season.of(ranker, 0, 0).companies) == (0, 0)
        assert np.isnan(season.of(ranker, 0, 0).precision)
