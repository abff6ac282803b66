"""What a canary says is written from its figures."""

from __future__ import annotations

import pytest

from ml_sys.leaks.canary import (
    BLANKS,
    COLUMNS,
    END,
    FEW_CONVERSIONS,
    FEW_CONVERTERS,
    IDS,
    LATER,
    NO_END,
    NO_SHUFFLE,
    NOBODY,
    ONE_KIND,
    SHUFFLED,
    WINDOWS,
    Canary,
)  # fmt: skip


def test_plain_data_hold_the_sentence_beside_the_figures_that_it_is_written_from() -> None:
    figures = {"feature": "users_28d", "cutoff": "2020-01-06", "companies": 1200}
    assert Canary(LATER, "failed", figures).to_plain() == {
        "name": "later usage deleted",
        "status": "failed",
        "found": "users_28d at 2020-01-06 looks ahead: 1,200 values depend on later usage.",
        "figures": figures,
    }


def test_a_canary_that_could_not_judge_says_why() -> None:
    figures = {"not_judged": NO_END, "days": 60, "conversions": 1, "expected": 2.5, "p_value": 0.3}
    assert Canary(END, "warned", figures).sentence() == (
        "Could not be judged: conversions are too few or too uneven for their end to show "
        "(1 company in the last 60 days, 2.5 expected)."
    )


CHANCE = {"average_precision": 0.0123, "rate": 0.01, "roc_auc": 0.55, "p_value": 0.25}
TOLD = "average precision 0.0123 at a rate of 0.0100, ROC-AUC 0.550, p = 0.2500"
COLUMN = {"columns": [{"column": "a", "roc_auc": 0.9994, "average_precision": 0.5}]}
COLUMNS_TOLD = "a (ROC-AUC 0.999, average precision 0.500)"
BLANK = {"telling": ["rank"], "rank_customers": 0.1, "rank_others": 0.25, "features": "industry"}
LAST = {"days": 60, "conversions": 2, "expected": 12.34, "p_value": 0.00012}


@pytest.mark.parametrize(
    ("name", "status", "figures", "said"),
    [
        (WINDOWS, "passed", {}, "Training rows tell of no day on which their company is judged."),
        (
            WINDOWS, "failed", {"companies": 1200, "days": 9},
            "Training rows tell of up to 9 of the days on which 1,200 companies are judged.",
        ),
        (SHUFFLED, "passed", CHANCE, f"Shuffled labels teach nothing: {TOLD}."),
        (
            SHUFFLED, "failed", CHANCE,
            f"A model that learns from shuffled labels beats chance, so it has seen the holdout: {TOLD}.",
        ),
        (IDS, "passed", CHANCE, f"Ids do not tell who converts: {TOLD}."),
        (
            IDS, "failed", CHANCE,
            f"Ids give the label away: {TOLD}; renumber them, or name 'id' in canary.allowed if you know "
            "why.",
        ),
        (
            IDS, "warned", CHANCE,
            f"Ids carry information, such as the order of signing up; mlsys never uses them: {TOLD}.",
        ),
        (
            LATER, "passed", {"cutoffs": 8},
            "Features of 8 cutoffs are the same, bit for bit, without later usage.",
        ),
        (COLUMNS, "passed", COLUMN, f"No column alone tells who converts; best: {COLUMNS_TOLD}."),
        (COLUMNS, "warned", COLUMN, f"Allowed to tell alone who converts: {COLUMNS_TOLD}."),
        (
            COLUMNS, "failed", COLUMN,
            f"One column alone tells who converts: {COLUMNS_TOLD}; leave it out, or name it in "
            "canary.allowed if you know why.",
        ),
        (BLANKS, "passed", BLANK, "Blank attributes do not tell customers from the others."),
        (
            BLANKS, "warned", BLANK,
            "Blanks tell customers from the others, as if filled in after paying (only that of industry is a "
            "feature): rank (10.0% of customers, 25.0% of the others).",
        ),
        (
            BLANKS, "warned", {**BLANK, "features": "all"},
            "Blanks tell customers from the others, as if filled in after paying (all are features here): "
            "rank (10.0% of customers, 25.0% of the others).",
        ),
        (
            BLANKS, "warned", {**BLANK, "features": ""},
            "Blanks tell customers from the others, as if filled in after paying (none is a feature here): "
            "rank (10.0% of customers, 25.0% of the others).",
        ),
        (
            BLANKS, "warned", {**BLANK, "features": "rank, industry"},
            "Blanks tell customers from the others, as if filled in after paying (only those of rank, "
            "industry are features): rank (10.0% of customers, 25.0% of the others).",
        ),
        (
            END, "passed", LAST,
            "Conversions go on at the last cutoffs: 2 companies in the last 60 days, 12.3 expected.",
        ),
        (
            END, "passed", {**LAST, "conversions": 1243, "expected": 1241.2},
            "Conversions go on at the last cutoffs: 1,243 companies in the last 60 days, 1,241.2 expected.",
        ),
        (
            END, "failed", LAST,
            "Conversions collapse at the last cutoffs: 2 companies in the last 60 days, 12.3 expected "
            "(p = 0.0001). Their outcome may not be known yet: check dates, and the day of the export "
            "(mlsys ingest --as-of DATE).",
        ),
        (
            END, "failed", {**LAST, "last_conversion": "2020-05-31"},
            "Conversions collapse at the last cutoffs: 2 companies in the last 60 days, 12.3 expected "
            "(p = 0.0001), the last one on 2020-05-31. Their outcome may not be known yet: check dates, "
            "and the day of the export (mlsys ingest --as-of DATE).",
        ),
    ],
)  # fmt: skip
def test_each_canary_has_a_sentence_for_what_it_may_find(name, status, figures, said) -> None:
    assert Canary(name, status, figures).sentence() == said


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (NO_SHUFFLE, "no shuffle leaves conversions both to learn from and to judge by"),
        (FEW_CONVERSIONS, "the training rows or the holdout have too few conversions"),
        (FEW_CONVERTERS, "7 of 90 companies convert, 10 are needed"),
        (ONE_KIND, "all companies are customers, or none is"),
        (NOBODY, "no company converts before the last cutoffs"),
    ],
)
def test_each_reason_for_judging_nothing_is_said(why: str, said: str) -> None:
    figures = {"not_judged": why, "converters": 7, "companies": 90, "needed": 10}
    assert Canary(COLUMNS, "warned", figures).sentence() == f"Could not be judged: {said}."
