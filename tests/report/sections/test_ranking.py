"""The sections about the order of a list, figure by figure."""

from __future__ import annotations

from math import nan
from types import SimpleNamespace

import pytest

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.curves import GRID, Curve, Decile, Depth
from ml_sys.metrics.holdout import ALL, SEEN
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report import charts
from ml_sys.report.evidence import Past
from ml_sys.report.sections import ranking
from tests.model.world import MOST_USERS


def exactly(value):
    return Estimate(value, value, value)


OURS = {
    "precision_at_10": Estimate(0.3, 0.1, 0.5), "recall_at_50": Estimate(0.42, 0.3, 0.6),
    "roc_auc": exactly(0.876), "mean_probability": exactly(0.003), "conversion_rate": exactly(0.002),
    "average_precision": exactly(0.2), "lift_at_50": exactly(17.0),
}  # fmt: skip
CHANCE = {**{name: exactly(0.01) for name in OURS}, "recall_at_50": exactly(0.04)}


def evidence(**changed):
    parts = {
        "words": PLAIN_WORDS, "confidence": 0.9, "horizon_days": 30, "past": Past(), "canaries": (),
        "holdout": {"rows": 4000, "cutoffs": [1, 36], "positives": 22, "companies_converted": 20},
        "evaluation": {ALL: {MODEL: OURS, RANDOM: CHANCE}, SEEN: {MODEL: {"roc_auc": exactly(0.75)}}},
        "ranking": SimpleNamespace(lead={}),
    }  # fmt: skip
    return SimpleNamespace(**{**parts, **changed})


def test_the_numbers_shown_large_are_those_of_the_model_beside_chance():
    tiles = ranking.overview(evidence()).tiles
    assert [(one.value, one.note) for one in tiles] == [
        ("30%", "30% (10% to 50%); at random 0.200%"),
        ("42%", "42% (30% to 60%); at random 4%"),
        ("0.88", "0.5 is chance, 1 is perfect; among those seen in usage 0.75"),
        ("1.50", "predicted 0.300%, observed 0.200%"),
    ]


def test_without_conversions_or_usage_some_of_them_are_not_known():
    nobody = {**OURS, "conversion_rate": exactly(0.0)}
    tiles = ranking.overview(evidence(evaluation={ALL: {MODEL: nobody, RANDOM: CHANCE}})).tiles
    assert tiles[2].note == "0.5 is chance, 1 is perfect"
    assert tiles[3].value == "–"


@pytest.mark.parametrize(
    ("converters", "said"),
    [
        (20, "With 20 companies that convert the intervals are wide; with about 80 more, shares"),
        (1, "With 1 company that converts the intervals are wide; with about 99 more, shares"),
        (99, "with about 1 more, shares"),
        (100, "Enough companies convert for these intervals to be narrow."),
    ],
)
def test_how_sure_the_figures_are_depends_on_who_converts(converters, said):
    held = {**evidence().holdout, "companies_converted": converters}
    assert said in ranking.overview(evidence(holdout=held)).notes[0]


def test_what_was_judged_is_counted_and_canaries_that_failed_are_named():
    canaries = [SimpleNamespace(name=one, status=one) for one in ("passed", "failed", "warned")]
    plain, told = ranking.overview(evidence()).notes, ranking.overview(evidence(canaries=canaries)).notes
    assert plain[0].startswith(
        "Judged on 4,000 prospect rows of 2 past days with 22 conversions of 20 companies. Figures in "
        "brackets are 90% intervals:"
    )
    assert len(plain) == 1
    assert told[1:] == ("Leak canaries failed: failed. Do not trust the figures.",)
    part = ranking.overview(evidence(holdout={**evidence().holdout, "share": 0.2})).notes
    assert part[1].startswith("20% of each list are held out")


def test_every_reported_metric_is_told_by_population_and_ranker():
    first, second = ranking.overview(evidence()).folded
    assert (first.caption, first.head) == (f"Every metric, {ALL}", ("metric", MODEL, RANDOM))
    assert ("precision at 10", "0.300 (0.100 to 0.500)", "0.010") in first.rows
    assert ("calibration error", "–", "–") in first.rows
    assert (second.caption, second.head) == (f"Every metric, {SEEN}", ("metric", MODEL))


def curve(lift, band=()):
    values = tuple(min(lift * one, 1.0) for one in GRID.tolist())
    return Curve(tuple(GRID.tolist()), values, *([tuple(one * k for one in values) for k in band]))


def decile(at, gain):
    return Decile(at, 100 * at, 1.6 * at, 2.0 - at / 10, gain)


OTHER = "another rule"


def shown(**changed):
    curves = {MODEL: curve(4, (0.5, 1.5)), MOST_USERS: curve(2)}
    depth = {
        MODEL: (
            Depth(10, Estimate(0.3, 0.1, 0.5), Estimate(0.2, 0.1, 0.3)),
            Depth(20, Estimate(0.2, 0.1, 0.3), exactly(nan)),
        ),
        MOST_USERS: (Depth(10, exactly(0.1), exactly(0.05)), Depth(20, exactly(0.1), exactly(0.1))),
    }  # fmt: skip
    gains = {
        MODEL: tuple(decile(at, at / 10) for at in range(1, 11)),
        MOST_USERS: tuple(decile(at, at / 20) for at in range(1, 11)),
        OTHER: (),
    }
    parts = {"roc": curves, "precision_recall": curves, "gains": gains, "depths": depth, "lead": {}}
    return ranking.ranking(evidence(ranking=SimpleNamespace(**{**parts, **changed})))


@pytest.fixture(scope="module")
def section():
    return shown()


def test_curves_are_told_at_the_steep_beginning_and_at_every_tenth(section):
    roc, precision = section.figures[:2]
    for figure, x in ((roc, "others called"), (precision, "converters found")):
        assert figure.table.head == (x, MODEL, MOST_USERS)
        assert [row[0] for row in figure.table.rows] == [
            "0%", "1%", "2%", "5%", "10%", "20%", "30%", "50%", "75%", "100%",
        ]  # fmt: skip
        assert figure.table.rows[3] == ("5%", "20.0% (10.0% to 30.0%)", "10.0%")
        assert "90% interval" in figure.text
    assert "22 conversions among them" in section.sentences[0]


def test_gains_and_lift_are_told_by_tenth_beside_chance(section):
    gain, lift = section.figures[2:4]
    assert gain.table.head == ("tenth", "rows", "conversions (model)", MODEL, MOST_USERS)
    assert gain.table.rows[1] == ("2", "200", "3", "20%, lift 1.8", "10%, lift 1.8")
    assert lift.table is gain.table
    steps = (0.0, *(at / 10 for at in range(1, 11)))
    curves = {
        MODEL: Curve(steps, (0.0, *(at / 10 for at in range(1, 11)))),
        MOST_USERS: Curve(steps, (0.0, *(at / 20 for at in range(1, 11)))),
        RANDOM: Curve((0.0, 1.0), (0.0, 1.0)),
    }
    assert gain.svg == charts.lines(
        curves,
        x="first part of the list",
        y="converters found",
        key="gains",
        title=gain.title,
        text=gain.text,
    )
    points = [
        {"ranker": name, "x": str(at), "y": 2.0 - at / 10}
        for name in (MODEL, MOST_USERS)
        for at in range(1, 11)
    ]
    assert lift.svg == charts.columns(
        points, [MODEL, MOST_USERS], x="tenth of the list, best first", y="lift", y_format="~g", key="lift",
        title=lift.title, text=lift.text,
    )  # fmt: skip


def test_depths_are_told_for_calls_and_for_converters_and_what_is_not_known_is_not_drawn(section):
    precision, recall = section.figures[4:]
    assert precision.table.rows == (
        ("10", "30.0% (10.0% to 50.0%)", "10.0%"), ("20", "20.0% (10.0% to 30.0%)", "10.0%"),
    )  # fmt: skip
    assert recall.table.rows == (("10", "20.0% (10.0% to 30.0%)", "5.0%"), ("20", "–", "10.0%"))
    points = [
        {"ranker": MODEL, "x": 10, "y": 0.2, "low": 0.1, "high": 0.3},
        {"ranker": MOST_USERS, "x": 10, "y": 0.05, "low": 0.05, "high": 0.05},
        {"ranker": MOST_USERS, "x": 20, "y": 0.1, "low": 0.1, "high": 0.1},
    ]
    assert recall.svg == charts.by_depth(
        points, [MODEL, MOST_USERS], x="companies called from each list", y="converters found", key="depth-r",
        title=recall.title, text=recall.text,
    )  # fmt: skip


def test_what_is_not_known_at_all_has_no_figure():
    nothing = {MODEL: (Depth(10, exactly(nan), exactly(nan)),)}
    assert len(shown(gains={MODEL: ()}, depths=nothing).figures) == 2
