"""The card of a version says, line by line, what it was made of and how well it does."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.model.train import FitReport
from ml_sys.report.card import write_card

FIT = FitReport(
    3000, 40, 900, 25, (17_903, 17_931, 17_959), 12, (2960, 40), (2960, 140), 0.5, 0.01, 0.01, 3000, 3000, 1.0
)
ENTRY = SimpleNamespace(
    version="1.1.0", created_at="2020-03-01T06:00:00+00:00", changes="more data", message="", snapshot="abc",
    data_through="2020-02-10",
)  # fmt: skip
SCHEMA = {
    "b": "windows", "a": "attributes", "c": "windows", "d": "trend", "e": "pace", "f": "breadth",
}  # fmt: skip
FACTS = {
    "feature_schema": {"features": SCHEMA}, "horizon_days": 30,
    "parent": None, "git": None, "packages": {"ml-sys": "2.0.0"}, "python": "3.11.7", "platform": "Linux",
}  # fmt: skip
HELD = {"rows": 4000, "positives": 22, "companies_converted": 20, "cutoffs": ["2019-06-03", "2019-07-08"]}
EVALUATION = {
    ALL: {
        MODEL: {"roc_auc": Estimate(0.8, 0.7, 0.9), "calibration_error": Estimate(0.001, 0.0005, 0.002)},
        RANDOM: {"roc_auc": Estimate(0.5, 0.4, 0.6)},
    }
}


def card(entry=ENTRY, fit=FIT, held=HELD, facts=None):
    canary = SimpleNamespace(name="shuffled", status="passed", sentence=lambda: "Nothing was found.")
    return write_card(entry, fit, EVALUATION, held, [canary], FACTS | (facts or {})).splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "# Model 1.1.0",
        "Predicts which free companies become customers within 30 days of a cutoff.",
        "- Made: 2020-03-01T06:00:00+00:00 (more data)",
        "- Parent: no version",
        "- Message: nothing",
        "- Data: snapshot `abc`, usage through 2020-02-10",
        "- Trained on: 3,000 rows, 40 conversions, 25 of 900 companies convert, 3 cutoffs from 2019-01-07 to "
        "2019-03-04",
        "- Resampled: 40 of 3,000 rows positive before, 140 of 3,100 after, each new one counting 0.5",
        "- Judged on: 4,000 rows, 22 conversions of 20 companies, cutoffs 2019-06-03, 2019-07-08",
        "- Features: 6 in the groups attributes, breadth, pace, trend, windows",
        "- Made with: mlsys 2.0.0, Python 3.11.7, Linux",
        "- shuffled: passed. Nothing was found.",
        f"## Holdout, {ALL}",
        f"| metric | {MODEL} | {RANDOM} |",
        "|---|---|---|",
        "| ROC-AUC | 0.800 (0.700 to 0.900) | 0.500 |",  # of the model alone with an interval
        "| calibration error | 0.00100 (0.00050 to 0.00200) | – |",
        "| average precision | – | – |",
    ],
)
def test_a_card_holds_a_line_on_each(line):
    assert line in card()


def test_what_is_there_is_named():
    told = card(SimpleNamespace(**{**vars(ENTRY), "message": "try it"}), facts={"parent": "1.0.0"})
    assert "- Message: try it" in told
    assert "- Parent: 1.0.0" in told


@pytest.mark.parametrize(("dirty", "said"), [(True, " with changes"), (False, "")])
def test_a_commit_is_named_with_what_was_changed_beside_it(dirty, said):
    told = card(facts={"git": {"commit": "b" * 40, "dirty": dirty}})
    assert f"- Made with: mlsys 2.0.0, commit {'b' * 12}{said}, Python 3.11.7, Linux" in told


def test_a_fit_that_was_not_resampled_counts_no_new_rows():
    told = card(fit=replace(FIT, after=FIT.before))
    assert "- Resampled: 40 of 3,000 rows positive before, 40 of 3,000 after" in told


def test_a_sample_and_a_part_held_out_have_a_line_of_their_own():
    fit = replace(FIT, one_in=2.0, sampled_rows=1500)
    told = card(fit=fit, held={**HELD, "share": 0.2})
    assert any(line.startswith("- Trained on a sample of 1,500 of 3,000 rows") for line in told)
    assert any(line.startswith("- 20% of each list are held out") for line in told)
    assert not any("a sample of" in line or "held out" in line for line in card())


def test_trees_that_grew_on_a_cluster_are_said_to_have():
    assert not any("cluster" in line for line in card())
    assert "- Trees: grown on 3 workers of a cluster" in card(fit=replace(FIT, workers=3))


def test_every_table_is_followed_by_a_blank_line():
    told = write_card(ENTRY, FIT, {**EVALUATION, "seen": EVALUATION[ALL]}, HELD, [], FACTS).splitlines()
    at = told.index("## Holdout, seen")
    assert (told[at - 1], told[at - 2][0]) == ("", "|")
