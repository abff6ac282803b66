"""Sentences that page, card and terminal share."""

from __future__ import annotations

import math
from datetime import date
from types import SimpleNamespace

import pytest

from ml_sys.days import day_number
from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.campaign import Campaign, Season
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.model.sufficiency import Sufficiency
from ml_sys.report.evidence import Past
from ml_sys.report.sentences import of_sample, of_whole_lists, season_in_short, summary, until_enough
from tests.model.world import MOST_USERS


def campaign(ranker: str, capacity: int, rest: int, reached: float, of: int) -> Campaign:
    return Campaign(ranker, capacity, rest, 10, 10 * capacity, 50, Estimate(reached, 0, of), of, 0.1)


def season(reached: float, *, of: int = 20, rest: int = 4) -> Season:
    return Season(
        tuple(
            campaign(ranker, capacity, weeks, value, of)
            for capacity in (1, 5)
            for weeks in (0, rest)
            for ranker, value in ((MODEL, reached), (MOST_USERS, 5), (RANDOM, 2))
        ),
        (),
    )


def test_a_season_says_what_is_reached_and_what_a_rule_reaches() -> None:
    assert season_in_short(season(10)) == (
        "Calling the top 5 of each of 10 lists, leaving out whom it called in the last 4 weeks, "
        "reaches 10 of 20 converters (50%), one in 5 calls, 5 times as many as at random; "
        "calling those with the most users in 30 days reaches 5."
    )


def test_a_season_is_told_beside_the_rule_that_reaches_most() -> None:
    for actions, told in ((7, "most actions in 30 days reaches 7"), (5, "most users in 30 days reaches 5")):
        reached = (
            (MODEL, 6),
            ("most actions in 30 days", actions),
            (MOST_USERS, 5),
            ("newest", 4),
            (RANDOM, 2),
        )
        found = Season(tuple(campaign(ranker, 5, 4, value, 20) for ranker, value in reached), ())
        assert season_in_short(found).endswith(f"; calling those with the {told}.")
    newest = tuple(campaign(ranker, 5, 0, value, 20) for ranker, value in ((MODEL, 6), ("newest", 7)))
    assert season_in_short(Season((*newest, campaign(RANDOM, 5, 0, 2, 20)), ())).endswith("newest reaches 7.")


def test_a_season_that_reaches_nobody_or_rests_nobody_says_no_more_than_that() -> None:
    assert season_in_short(season(0, rest=0)) == (
        "Calling the top 5 of each of 10 lists reaches 0 of 20 converters (0%), 0 times as many as at "
        "random; calling those with the most users in 30 days reaches 5."
    )


def test_lists_without_a_converter_are_said_to_have_none() -> None:
    assert season_in_short(season(0, of=0)) == "No company paid within the horizon of the 10 lists."


def test_when_there_will_be_enough_is_told_with_its_uncertainty() -> None:
    day = day_number(date(2027, 3, 14))
    assert until_enough(Sufficiency(7, 20, 0.42, day, 36)) == (
        "7 conversions came while usage was covered, 0.4 a week lately; training and judging a "
        "model takes 20: at that rate about 14 March 2027, give or take 5 weeks"
    )
    assert until_enough(Sufficiency(1, 20, 0.0)).endswith("takes 20, which is not in sight")
    assert until_enough(Sufficiency(20, 20, 0.4)) == ""
    assert until_enough(Sufficiency(1, 20, 0.1, day)).endswith("takes 20, which is not in sight")
    for days, said in ((3, "1 week"), (10, "1 week"), (11, "2 weeks"), (18, "3 weeks")):
        assert until_enough(Sufficiency(7, 20, 0.42, day, days)).endswith(f"give or take {said}")


def test_a_season_is_told_at_its_largest_capacity_and_longest_rest_of_everybody() -> None:
    found = Season(
        tuple(
            campaign(ranker, capacity, weeks, value * capacity + weeks, 40)
            for capacity in (2, 5)
            for weeks in (0, 4)
            for ranker, value in ((MODEL, 4), (MOST_USERS, 3), (RANDOM, 1))
        ),
        (),
    )
    assert season_in_short(found) == (
        "Calling the top 5 of each of 10 lists, leaving out whom it called in the last 4 weeks, "
        "reaches 24 of 40 converters (60%), one in 2 calls, 3 times as many as at random; "
        "calling those with the most users in 30 days reaches 19."
    )
    alone = Season(
        tuple(campaign(ranker, 5, 0, reached, 40) for ranker, reached in ((MODEL, 20), (RANDOM, 0))), ()
    )
    assert season_in_short(alone) == (
        "Calling the top 5 of each of 10 lists reaches 20 of 40 converters (50%), one in 2 calls."
    )


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.2, "20% of each list are held out"), (0.5, "50% of each list are held out"), (1.0, "")],
)
def test_a_depth_is_that_of_whole_lists_of_which_a_share_is_held_out(share: float, said: str) -> None:
    found = of_whole_lists({"share": share})
    assert found.startswith(said)
    assert not said or found.endswith(f"the top 50 are the first {50 * share:.0f} of those held out.")
    assert (found == "") == (said == "") == (share == 1)
    assert of_whole_lists({}) == ""


def test_a_sample_is_told_wherever_one_was_drawn() -> None:
    said = of_sample({"one_in": 1.5, "sampled_rows": 2000, "whole_rows": 2900})
    assert said.startswith("Trained on a sample of 2,000 of 2,900 rows: every conversion, and one in 1.5")
    assert said.endswith("counts 1.5 times, so that rates stay the same.")
    assert of_sample({"one_in": 1}) == of_sample({}) == ""


LEAD = Estimate(0.05, 0.01, 0.09)


def judged(
    promised: float, positives: int, converters: int, lead: Estimate = LEAD, **others_rank: float
) -> tuple[str, ...]:
    rows = 100_000
    model = {
        "average_precision": one(0.2), "recall_at_50": one(0.42), "lift_at_50": one(17.0),
        "mean_probability": one(promised / rows), "conversion_rate": one(positives / rows),
    }  # fmt: skip
    others = {name: one(0.01) for name in model}
    rule = {**others, "average_precision": one(0.15)}
    rules = {MOST_USERS: rule}
    rules |= {
        name.replace("_", " "): rule | {"average_precision": one(of)} for name, of in others_rank.items()
    }
    found = SimpleNamespace(
        holdout={
            "cutoffs": [1, 8, 15], "rows": rows, "positives": positives, "companies_converted": converters,
        },
        evaluation={ALL: {MODEL: model, RANDOM: others, **rules}},
        ranking=SimpleNamespace(lead=dict.fromkeys(rules, lead)),
        past=Past(), words=PLAIN_WORDS, horizon_days=30, confidence=0.95,
    )  # fmt: skip
    return summary(found)  # type: ignore[arg-type]


def one(value: float) -> Estimate:
    return Estimate(value, value, value)


def test_a_summary_says_what_the_model_finds_on_the_lists_held_out() -> None:
    assert judged(20, 20, 20)[0] == (
        "On 3 lists that the model had not been trained on, calling the top 50 finds 4 in 10 of all "
        "conversions within 30 days, 17 times as many as calling at random."
    )


@pytest.mark.parametrize(
    ("lead", "said"),
    [
        (Estimate(0.05, 0.01, 0.09), ("better", "beyond what chance explains")),
        (Estimate(-0.05, -0.09, -0.01), ("worse", "beyond what chance explains")),
        (Estimate(0.05, 0.0, 0.1), ("better", "may still be chance")),
        (Estimate(-0.05, -0.1, 0.0), ("worse", "may still be chance")),
        (Estimate(0.05, -0.01, 0.1), ("better", "may still be chance")),
        (Estimate(0.0, 0.0, 0.0), ("better", "may still be chance")),
    ],
)
def test_a_lead_is_sure_where_its_interval_leaves_zero_out_on_either_side(
    lead: Estimate, said: tuple[str, str]
) -> None:
    told = judged(20, 20, 20, lead)[1]
    assert told.startswith(f"Its ranking is {said[0]} than calling the companies with the most users")
    assert said[1] in told
    assert "0.200 against 0.150" in told


@pytest.mark.parametrize(
    ("others_rank", "beside", "figures"),
    [
        (
            {"most_actions_in_30_days": 0.3},
            "companies with the most actions in 30 days",
            "0.200 against 0.300",
        ),
        ({"most_actions_in_30_days": 0.1}, "companies with the most users in 30 days", "0.200 against 0.150"),
        (
            {"most_actions_in_30_days": 0.15},
            "companies with the most users in 30 days",
            "0.200 against 0.150",
        ),
        ({"newest": 0.3}, "newest companies", "0.200 against 0.300"),
        ({"most_recently_active": 0.3}, "most recently active companies", "0.200 against 0.300"),
    ],
)
def test_the_model_is_told_beside_the_rule_that_ranks_best(others_rank, beside, figures) -> None:
    told = judged(20, 20, 20, Estimate(-0.1, -0.2, 0.1), **others_rank)[1]
    assert told.startswith(f"Its ranking is worse than calling the {beside}, but")
    assert figures in told


def test_no_lead_is_told_where_there_is_none() -> None:
    assert len(judged(20, 20, 20, one(math.nan))) == len(judged(20, 20, 20)) - 1


@pytest.mark.parametrize(
    ("promised", "positives", "converters", "verdict"),
    [
        (33, 20, 10, "no more apart than chance explains"),  # of ten companies, not of twenty rows
        (33, 20, 20, "taken together they are far from the truth"),
        (40, 20, 10, "taken together they are far from the truth"),
        (8, 20, 10, "taken together they are far from the truth"),
        (0, 20, 10, "taken together they are far from the truth"),
        (1495, 1000, 1000, "taken together they are close to the truth"),
        (1505, 1000, 1000, "taken together they are far from the truth"),
        (675, 1000, 1000, "taken together they are close to the truth"),
        (665, 1000, 1000, "taken together they are far from the truth"),
    ],
)
def test_what_was_promised_is_judged_by_companies_and_by_how_far_it_is_from_what_came(
    promised: float, positives: int, converters: int, verdict: str
) -> None:
    assert judged(promised, positives, converters)[-1] == (
        f"Its probabilities promised {promised:,} conversions and {positives:,} came "
        f"(of {converters:,} companies): {verdict}."
    )


def test_a_promise_of_which_none_came_is_told_with_a_decimal() -> None:
    assert judged(2.4, 0, 0)[-1] == "Its probabilities promised 2.4 conversions; none came."
