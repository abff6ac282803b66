"""The sections about companies say of each kind, feature and example what was found of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.importance import Importance
from ml_sys.metrics.segments import Segment
from ml_sys.report import charts
from ml_sys.report.examples import Example
from ml_sys.report.sections import companies

KNOWN = Segment(
    "Industry", "retail", 4000, 1200, 34, 0.0123, 0.0085, Estimate(0.81, 0.7, 0.9), Estimate(0.2, 0.1, 0.3)
)
FEW = Segment("Industry", "mining", 90, 30, 2, 0.02, 0.03, None, None)


def evidence(**parts):
    return SimpleNamespace(words=PLAIN_WORDS, **parts)


def test_each_kind_of_company_is_a_row_and_those_with_a_figure_are_drawn():
    section = companies.who(evidence(segments=(KNOWN, FEW)))
    (figure,) = section.figures
    assert figure.table.rows == (
        ("Industry: retail", "1,200", "34", "1.23%", "0.85%", "0.81 (0.70 to 0.90)", "0.20 (0.10 to 0.30)"),
        ("Industry: mining", "30", "2", "2.00%", "3.00%", "too few conversions", "too few conversions"),
    )
    drawn = [{"name": "retail (industry)", "y": 0.81, "low": 0.7, "high": 0.9}]
    assert figure.svg == charts.intervals(
        drawn, x="ROC-AUC", key="segments", title=figure.title, text=figure.text
    )
    assert section.tables == ()
    assert section.sentences == ("Kinds with fewer than 10 conversions are too small for a figure.",)


def test_where_no_kind_has_a_figure_the_table_stands_alone():
    section = companies.who(evidence(segments=(FEW,)))
    assert (len(section.figures), len(section.tables)) == (0, 1)


def features(n, gain=0.25):
    return tuple(Importance(f"f{at}", f"g{at % 2}", 0.5 - at / 100, 0.01, gain, 0.125) for at in range(n))


def test_features_and_their_groups_are_told_with_what_is_lost_without_them():
    groups = (Importance("g0", "g0", 0.4, 0.02, 0.75, 0.3125),)
    found = evidence(reliance=SimpleNamespace(features=features(20), groups=groups, hits=(), misses=()))
    section = companies.why(found)
    of_groups, single = section.figures
    assert of_groups.table.head == ("group", "lost when shuffled", "share of gain", "mean |SHAP|, added up")
    assert of_groups.table.rows == (("g0", "0.4000 ± 0.0200", "75.0%", "0.3125"),)
    assert len(single.table.rows) == 20
    assert single.table.rows[3] == ("f3", "0.4700 ± 0.0100", "25.0%", "0.1250", "g1")
    drawn = [
        {"name": f"f{at}", "y": lost, "low": lost - 0.01, "high": lost + 0.01}
        for at, lost in enumerate(0.5 - at / 100 for at in range(15))
    ]
    assert single.svg == charts.bars(
        drawn, x="average precision lost", key="features", title=single.title, text=single.text
    )
    assert len(section.notes) == 1


@pytest.mark.parametrize("n", [0, 2])
def test_an_estimator_that_gives_no_gain_is_said_to_give_none(n):
    found = SimpleNamespace(
        features=features(n, gain=None), groups=features(1, gain=None), hits=(), misses=()
    )
    notes = companies.why(evidence(reliance=found)).notes
    assert notes[1:] == (
        "This estimator gives neither gain nor exact reasons, so permutation alone is shown.",
    )


def example(seen, place=3):
    return Example("c7", 18_000, place, 1500, 0.0123, seen, ())


def test_an_example_is_told_with_its_place_its_day_and_whether_it_was_seen():
    found = SimpleNamespace(
        hits=(example(True),), misses=(example(False, 1400), example(True), example(False))
    )
    hits, misses = companies.stories(evidence(reliance=found))
    (story,) = hits.stories
    assert (story.title, story.text) == (
        "c7", "Place 3 of 1,500 on 2019-04-14, with a probability of 1.23%.",
    )  # fmt: skip
    assert misses.stories[0].text == (
        "Place 1,400 of 1,500 on 2019-04-14, with a probability of 1.23%. It had no usage by then."
    )
    assert misses.sentences == (
        "Lowest-ranked converters; 2 of these 3 had no usage yet that could have given them away.",
    )


def test_misses_that_had_all_been_seen_are_said_to_stand_lowest():
    found = SimpleNamespace(hits=(), misses=(example(True, 1400), example(True)))
    _, misses = companies.stories(evidence(reliance=found))
    assert misses.sentences == ("Converters of the holdout that stood lowest in the list of their day.",)


def test_without_examples_it_says_why():
    hits, misses = companies.stories(evidence(reliance=SimpleNamespace(hits=(), misses=())))
    assert hits.sentences == ("No company of the holdout converted.",)
    assert misses.sentences == ("There are none besides those above.",)
