"""The sections about where a version comes from."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.evidence import Parent, Quality
from ml_sys.report.sections import origin


def canaries(*states):
    return tuple(
        SimpleNamespace(name=f"c{at}", status=one, sentence=lambda at=at: f"found {at}")
        for at, one in enumerate(states)
    )


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["passed", "skipped"], "No canary failed: nothing was found that looks ahead."),
        (["passed", "warned"], "No canary failed; 1 canary warns."),
        (["warned", "warned"], "No canary failed; 2 canaries warn."),
        (
            ["failed", "warned"],
            "1 canary failed: the model knows what it could not know on the day it is used.",
        ),
        (["failed", "failed"], "2 canaries failed: the model knows"),
    ],
)
def test_canaries_that_failed_come_before_those_that_warn(states, said):
    section = origin.trust(SimpleNamespace(canaries=canaries(*states)))
    assert section.sentences[0].startswith(said)
    assert section.tables[0].rows == tuple((f"c{at}", one, f"found {at}") for at, one in enumerate(states))


def test_what_came_in_is_counted_by_table_with_the_reasons_of_what_did_not():
    quality = Quality(
        1500, 120, 44000, {"customers": 130, "usage": 45000},
        {"customers": {"no id": 9, "no date": 1}, "usage": {}, "others": {"odd": 1200}},
        (("rank", 0.005, 0.125),),
    )  # fmt: skip
    section = origin.data(SimpleNamespace(quality=quality, words=PLAIN_WORDS, data_through="2020-02-10"))
    assert section.sentences == (
        "1,500 companies, 120 customers among them, and 44,000 usage rows; usage through 2020-02-10.",
    )
    came, blanks = section.tables
    assert came.rows == (
        ("customers", "130", "120", "10", "no id: 9, no date: 1"),
        ("usage", "45,000", "45,000", "0", "none"),
        ("others", "–", "–", "1,200", "odd: 1,200"),
    )
    assert (blanks.head, blanks.rows) == (("column", "customers", "the others"), (("rank", "0.5%", "12.5%"),))


def test_without_a_snapshot_it_says_so():
    section = origin.data(SimpleNamespace(quality=None))
    assert section.sentences == ("Not in this report: the snapshot is not available.",)


LINEAGE = {
    "parent": None, "snapshot": "abc", "feature_schema": {"hash": "0123456789abcdef0123", "features": 41},
    "seed": 7, "git": None, "python": "3.11.7", "platform": "Linux", "cpu": "",
    "packages": {"numpy": "2.0", "xgboost": "3.0"},
}  # fmt: skip
FIT = {"rows": 3000, "positives": 40, "companies": 900, "cutoffs": ["2019-01-07", "2019-02-04", "2019-03-04"]}


def evidence(**changed):
    parts = {
        "set_otherwise": {}, "settings": {"seed": 7, "windows": [7, 28]}, "message": "", "fit": FIT,
        "holdout": {"cutoffs": ["2019-06-03", "2019-07-08"]}, "words": PLAIN_WORDS, "lineage": LINEAGE,
        "parent": None, "changes": "more data", "version": "1.1.0",
        "evaluation": {ALL: {MODEL: {"roc_auc": Estimate(0.8, 0.7, 0.9)}}},
    }  # fmt: skip
    return SimpleNamespace(**{**parts, **changed})


def test_settings_that_differ_stand_before_all_of_them():
    since, plain, lineage = origin.origin(evidence())
    assert [one.anchor for one in (since, plain, lineage)] == ["changes", "settings", "lineage"]
    assert (plain.sentences, plain.tables) == (("Every setting has its default value.",), ())
    assert plain.folded[0].rows == (("seed", "7"), ("windows", "7, 28"))
    _, other, _ = origin.origin(evidence(set_otherwise={"seed": (7, 42)}))
    assert other.sentences == ()
    assert other.tables[0].rows == (("seed", "7", "42"),)


def test_a_version_says_what_it_has_learnt_from_and_was_judged_on():
    told = origin.origin(evidence())[2].sentences
    assert told == (
        "The author left no message.",
        "Trained on 3,000 rows with 40 conversions of 900 companies, cutoffs 2019-01-07 to 2019-03-04; "
        "judged on 2019-06-03, 2019-07-08.",
        "The same snapshot, settings and packages give the same model, byte for byte.",
    )
    sampled = {**FIT, "one_in": 2.5, "sampled_rows": 10, "whole_rows": 20}
    more = origin.origin(evidence(fit=sampled, message="try it"))[2].sentences
    assert more[0] == "The author says: try it"
    assert more[2].startswith("Trained on a sample of 10 of 20 rows")


@pytest.mark.parametrize(
    ("changed", "row"),
    [
        ({}, ("follows version", "none, it is the first")),
        ({"parent": "1.0.0"}, ("follows version", "1.0.0")),
        ({}, ("feature schema", "0123456789abcdef, 41 features")),
        ({}, ("seed", "7")),
        ({}, ("code", "not known")),
        ({"git": {"commit": "a" * 40, "dirty": False}}, ("code", "a" * 12)),
        ({"git": {"commit": "a" * 40, "dirty": True}}, ("code", f"{'a' * 12} with changes")),
        ({}, ("processor", "not known")),
        ({"cpu": "fast"}, ("processor", "fast")),
        ({}, ("packages", "numpy 2.0, xgboost 3.0")),
    ],
)
def test_the_lineage_says_what_a_version_was_made_of(changed, row):
    assert row in origin.origin(evidence(lineage={**LINEAGE, **changed}))[2].tables[0].rows


def test_a_first_version_has_nothing_to_stand_beside():
    assert origin.origin(evidence())[0].sentences[0].startswith("This is the first version")


@pytest.mark.parametrize(("same", "said"), [(True, "on the same rows"), (False, "on different rows")])
def test_a_version_stands_beside_its_parent_metric_by_metric(same, said):
    theirs = {
        ALL: {
            MODEL: {"roc_auc": Estimate(0.75, 0.6, 0.85), "calibration_error": Estimate(0.001, 0.001, 0.001)}
        }
    }
    changes = origin.origin(evidence(parent=Parent("1.0.0", same, theirs)))[0]
    assert changes.sentences[0] == "Since version 1.0.0: more data."
    assert said in changes.sentences[1]
    (table,) = changes.tables
    assert table.head == ("metric", "1.0.0", "1.1.0")
    assert table.rows[0] == ("average precision", "–", "–")
    assert table.rows[1] == ("ROC-AUC", "0.750 (0.600 to 0.850)", "0.800 (0.700 to 0.900)")
    assert table.rows[4] == ("calibration error", "0.00100", "–")
    assert len(table.rows) == 6
