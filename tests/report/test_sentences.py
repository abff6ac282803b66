"""Sentences that page, card and terminal share."""

from __future__ import annotations

from datetime import date

from ml_sys.days import day_number
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.campaign import Campaign, Season
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.model.sufficiency import Sufficiency
from ml_sys.report.sentences import season_in_short, until_enough
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
        "7 conversions came while usage was covered, 0.4 a week lately; to learn from them and judge by as "
        "many takes 20: at that rate about 14 March 2027, give or take 5 weeks"
    )
    assert until_enough(Sufficiency(1, 20, 0.0)).endswith("takes 20, which is not in sight")
    assert until_enough(Sufficiency(20, 20, 0.4)) == ""
