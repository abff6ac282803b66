"""The sections about past lists: what a season reaches, what it is worth, and how figures go over time."""

from __future__ import annotations

from math import nan
from types import SimpleNamespace

import pytest

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.campaign import Campaign, Lead, Season
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.money import Money, PastWorth, Worth
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report import charts
from ml_sys.report.evidence import Past
from ml_sys.report.sections import past_lists
from tests.model.world import MOST_USERS

LIST_METRICS = ("average_precision", "roc_auc", "precision_at_10")


def evidence(**past):
    return SimpleNamespace(words=PLAIN_WORDS, confidence=0.9, past=Past(**past))


@pytest.mark.parametrize("section", [past_lists.campaign, past_lists.worth, past_lists.over_time])
def test_what_past_lists_were_not_made_for_is_missing(section):
    assert section(evidence()).sentences[0].startswith("Not in this report: past lists were not made for it")


def campaign(ranker, capacity, rest, reached):
    return Campaign(
        ranker, capacity, rest, 6, 6 * capacity, 30, Estimate(reached, reached - 1, reached + 1), 40, 0.125
    )


SEASON = Season(
    tuple(
        campaign(ranker, capacity, rest, reached * capacity)
        for capacity, rest in ((2, 0), (5, 4))
        for ranker, reached in ((MODEL, 3), (RANDOM, 1))
    ),
    (Lead(MOST_USERS, 5, 4, Estimate(7, -1, 15), 0.93),),
)


def test_a_season_is_told_campaign_by_campaign():
    section = past_lists.campaign(evidence(backtest=SimpleNamespace(season=SEASON)))
    assert "Simulated over 6 lists, 40 converters in all, each list" in section.sentences[1]
    (figure,) = section.figures
    assert figure.table.rows == (
        (f"{MODEL}, 2 calls per list, no rest", "6 (5 to 7)", "15%", "2", "12.5%"),
        (f"{RANDOM}, 2 calls per list, no rest", "2", "5%", "6", "12.5%"),
        (f"{MODEL}, 5 calls per list, 4 weeks of rest", "15 (14 to 16)", "38%", "2", "12.5%"),
        (f"{RANDOM}, 5 calls per list, 4 weeks of rest", "5", "12%", "6", "12.5%"),
    )
    points = [
        {"ranker": ranker, "x": x, "y": y}
        for x, ranker, y in (
            ("2", MODEL, 6),
            ("2", RANDOM, 2),
            ("5 + rest", MODEL, 15),
            ("5 + rest", RANDOM, 5),
        )
    ]
    assert figure.svg == charts.columns(
        points, (MODEL, RANDOM), x="calls per list", y="converters reached", y_format="d", key="season",
        title=figure.title, text=figure.text,
    )  # fmt: skip
    assert section.tables[0].rows == ((MOST_USERS, "5", "4", "+7", "−1 to +15", "93%"),)


def test_the_worth_of_past_lists_is_told_by_depth_and_by_ranker():
    money = Money(
        123, 4, (PastWorth(50, 6, Worth(300, 1234.4, 900.0, 1600.0), 1500.0),),
        {MOST_USERS: (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), MODEL: (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)},
    )  # fmt: skip
    section = past_lists.worth(evidence(money=money))
    assert section.tables[0].rows == (("50 calls", "6 lists", "1,234 (900 to 1,600)", "1,500"),)
    gains = section.folded[0]
    assert gains.head == ("ranked by", "1%", "2%", "5%", "10%", "20%", "50%")
    assert gains.rows[1] == (MODEL, "20%", "30%", "40%", "50%", "60%", "70%")
    assert gains.marked == 1
    assert "123 customers with a known" in section.sentences[0]
    assert ", 4 of them with zero or less" in section.sentences[0]
    assert "bring 90% of the time" in section.sentences[1]


def backtest(values=(0.25, nan, 0.5)):
    def metrics(value):
        return dict.fromkeys((*LIST_METRICS, "recall_at_50"), value)

    lists = [
        SimpleNamespace(cutoff=18_000 + 35 * at, metrics={ALL: {MODEL: metrics(one), RANDOM: metrics(0.125)}})
        for at, one in enumerate(values)
    ]
    mean = {MODEL: metrics(0.375), RANDOM: metrics(0.125)}
    spread = {MODEL: metrics(0.0625), RANDOM: metrics(0.0)}
    sure = {MODEL: {name: Estimate(0.375, 0.25, 0.5) for name in LIST_METRICS}}
    return SimpleNamespace(cutoffs=lists, mean={ALL: mean}, spread={ALL: spread}, intervals={ALL: sure})


def test_metrics_are_told_list_by_list_and_drawn_where_there_are_any():
    section = past_lists.over_time(evidence(backtest=backtest()))
    assert section.sentences == ("The model was fitted again and judged on 3 past lists.",)
    precision, recall = section.figures
    assert precision.table.head == ("cutoff", MODEL, RANDOM)
    assert precision.table.rows == (
        ("2019-04-14", "0.250", "0.125"), ("2019-05-19", "–", "0.125"), ("2019-06-23", "0.500", "0.125"),
    )  # fmt: skip
    days = ("2019-04-14", "2019-05-19", "2019-06-23")
    points = [
        {"ranker": name, "x": day, "y": value}
        for day, ours in zip(days, (0.25, None, 0.5), strict=True)
        for name, value in ((MODEL, ours), (RANDOM, 0.125))
        if value is not None
    ]
    assert recall.svg == charts.over_time(
        points,
        (MODEL, RANDOM),
        y="converters in the top 50",
        key="time-recall",
        title=recall.title,
        text=recall.text,
    )


def test_means_stand_with_an_interval_where_there_is_one_and_with_their_deviation():
    section = past_lists.over_time(evidence(backtest=backtest()))
    assert section.tables[0].rows == tuple(
        (name, "0.375 (0.250 to 0.500)", "0.125")
        for name in ("average precision", "ROC-AUC", "precision at 10")
    )
    rows = {row[0]: row[1:] for row in section.folded[0].rows}
    assert rows["average precision"] == ("0.375 ± 0.062", "0.125 ± 0.000")
    assert set(rows) == {"average precision", "ROC-AUC", "precision at 10", "recall at 50"}
