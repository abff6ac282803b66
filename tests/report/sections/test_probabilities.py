"""What the page says of promises that probabilities made."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import pytest

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.calibration import CalibrationBin, Confusion, ScoreBin
from ml_sys.metrics.promises import Judged, Promise, Promises
from ml_sys.report import charts
from ml_sys.report.evidence import Evidence, Past
from ml_sys.report.page import Section
from ml_sys.report.sections import probabilities


def promised(realised: int, verdict: Judged = "kept", more_weeks: int | None = None) -> Past:
    total = Promise("all", 1000, 1000, 50.0, realised, 40.0, 60.0, verdict)
    return Past(promises=Promises((), (), total, (18_000,), 48, more_weeks))


@pytest.mark.parametrize(
    ("realised", "more_weeks", "begins"),
    [
        (60, None, "The lists hold 60 conversions, enough to notice a promise that is off by a factor of 1.5 "
         "(48 are needed)."),
        (24, 5, "The lists hold 24 conversions; to notice a promise that is off by a factor of 1.5, 48 are "
         "needed: about 5 more weeks at this rate."),
        (1, 235, "The lists hold 1 conversion; to notice"),
        (0, None, "The lists hold 0 conversions; to notice a promise that is off by a factor of 1.5, 48 are "
         "needed."),
    ],
)  # fmt: skip
def test_with_few_conversions_it_is_said_how_many_more_are_needed(
    evidence: Evidence, realised: int, more_weeks: int | None, begins: str
) -> None:
    section = probabilities.promised(replace(evidence, past=promised(realised, more_weeks=more_weeks)))
    assert section.sentences[1].startswith(begins)


@pytest.mark.parametrize("verdict", get_args(Judged))
def test_every_verdict_is_put_into_words(evidence: Evidence, verdict: Judged) -> None:
    section = probabilities.promised(replace(evidence, past=promised(50, verdict)))
    assert section.folded[0].rows[-1][-1] != verdict or verdict == "kept"
    assert section.sentences[0].endswith(".")


BINS = (
    CalibrationBin(1500, 6, 0.002, 0.004, 0.001, 0.009),
    CalibrationBin(900, 3, 0.001, 0.0, 0.0, 0.004),
    CalibrationBin(800, 3, 0.003, 0.002, 0.0, 0.004),
)
CONFUSIONS = (
    Confusion(0.0123, False, 49.6, 12, 1288, 8, 40000),
    Confusion(0.0456, True, 10.4, 0, 0, 20, 41000),
)
SCORES = (ScoreBin(0.0, 0.001, 1, 3000), ScoreBin(0.001, 0.02, 4, 1000))


def told(**parts: object) -> Section:
    found = {"calibration": BINS, "distribution": SCORES, "confusions": CONFUSIONS, **parts}
    return probabilities.probabilities(
        SimpleNamespace(words=PLAIN_WORDS, confidence=0.9, truthfulness=SimpleNamespace(**found))  # type: ignore[arg-type]  # what is read of it
    )


def test_predicted_and_observed_are_told_bin_by_bin_and_drawn_where_a_logarithm_is_defined() -> None:
    figure = told().figures[0]
    assert figure.table.rows[0] == ("1,500", "6", "0.200%", "0.400% (0.100% to 0.90%)")
    assert len(figure.table.rows) == 3
    drawn = [{"predicted": 0.002, "observed": 0.004, "low": 0.001, "high": 0.009}]
    assert figure.svg == charts.calibration(drawn, key="calibration", title=figure.title, text=figure.text)
    assert "Bars are 90% intervals" in figure.text
    nothing = told(calibration=BINS[1:])
    assert [one.caption for one in nothing.tables] == ["Predicted and observed", "What the threshold decides"]
    assert len(nothing.figures) == 1


def test_what_a_threshold_decides_is_counted_and_the_chosen_one_marked() -> None:
    (table,) = told().tables
    assert table.rows[0] == ("1.23%", "50", "12", "1,288", "8", "40,000", "0.9%", "60.0%")
    assert table.rows[1][-2:] == ("–", "0.0%")
    assert table.marked == 1
    assert told(confusions=CONFUSIONS[:1]).tables[0].marked is None


@pytest.mark.parametrize(
    ("scores", "shares"), [(SCORES, (0.2, 0.75)), ((ScoreBin(0, 0.001, 0, 5),), (0.0, 1.0))]
)
def test_probabilities_of_converters_and_others_are_shares_of_their_own_kind(
    scores: tuple[ScoreBin, ...], shares: tuple[float, float]
) -> None:
    figure = told(distribution=scores).figures[-1]
    assert figure.table.rows[0] == ("0% to 0.1%", f"{scores[0].converted}", f"{scores[0].others:,}")
    kinds = ("converted", "did not convert")
    points = [
        {"ranker": kind, "x": f"{one.high * 100:g}%", "y": share}
        for one, both in zip(scores, (shares, tuple(1 - one for one in shares)), strict=False)
        for kind, share in zip(kinds, both, strict=True)
    ]
    assert figure.svg == charts.columns(
        points, kinds, x="probability up to", y="share of its kind", key="scores", title=figure.title,
        text=figure.text,
    )  # fmt: skip


def test_a_promise_is_told_by_tier_and_by_probability() -> None:
    tier = Promise("A", 1200, 1100, 12.34, 15, 8.0, 17.5, "too little")
    band = Promise("1% to 2%", 300, 250, 4.0, 4, 1.0, 8.0, "too few")
    total = Promise("all", 5000, 4000, 50.04, 60, 40.0, 60.0, "kept")
    past = Past(promises=Promises((tier,), (band,), total, (18_000, 18_035), 48, None))
    found = SimpleNamespace(words=PLAIN_WORDS, confidence=0.9, past=past, horizon_days=30)
    section = probabilities.promised(found)  # type: ignore[arg-type]  # what is read of it
    assert section.sentences[0].endswith("50.0 conversions were promised and 60 came: the promise was kept.")
    assert section.sentences[2].startswith("Counted on 2 lists whose 30 days do not overlap")
    assert "2019-04-14, 2019-05-19" in section.sentences[2]
    (tiers,), (bands,) = section.tables, section.folded
    assert tiers.head == ("tier", "companies", "promised", "came", "90% interval", "verdict")
    assert tiers.rows == (("A", "1,100", "12.3", "15", "8.0 to 17.5", "promised too little"),)
    assert [row[0] for row in bands.rows] == ["1% to 2%", "all"]
