"""What the page says of those that have only just begun."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL, SIGN_UPS
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report.evidence import Evidence, Past
from ml_sys.report.rendering import render
from ml_sys.report.sections.newcomers import sign_ups


def test_without_days_of_beginning_there_is_no_such_section(evidence: Evidence) -> None:
    assert sign_ups(evidence) == ()
    assert "sign-ups" not in render(evidence)


def test_new_ones_are_shown_with_their_share_of_the_conversions_and_beside_every_rule(
    evidence: Evidence,
) -> None:
    rankers = evidence.evaluation[ALL]
    told = replace(evidence, evaluation={**evidence.evaluation, SIGN_UPS: rankers})
    (section,) = sign_ups(told)
    every = evidence.holdout["positives"]
    assert (
        f"{evidence.holdout['rows']:,} rows of the holdout with {every} conversions, 100% of all"
        in (section.sentences[0])
    )
    populations, by_ranker = section.tables
    assert [row[0] for row in populations.rows] == list(told.evaluation)
    assert [row[0] for row in by_ranker.rows] == list(rankers)
    assert by_ranker.marked == list(rankers).index(MODEL)
    assert "How well are new sign-ups ranked?" in render(told)


SHOWN = ("average_precision", "roc_auc", "precision_at_10", "recall_at_10", "lift_at_10")


def metrics(tp, fp, fn, tn, value=0.5):
    counts = {"true_positives": tp, "false_positives": fp, "false_negatives": fn, "true_negatives": tn}
    every = {**counts, **dict.fromkeys(SHOWN, value), "conversion_rate": 0.0123}
    return {name: Estimate(one, one, one) for name, one in every.items()}


def known(positives=20, back=None, **populations):
    return SimpleNamespace(
        words=PLAIN_WORDS, holdout={"positives": positives}, past=Past(backtest=back),
        evaluation={ALL: {MODEL: metrics(7, 1, 13, 3000, 0.25)}, **populations},
    )  # fmt: skip


NEW = {MODEL: metrics(2, 30, 3, 1000), RANDOM: metrics(1, 1, 1, 1, 0.125)}


def test_new_ones_are_counted_and_stand_beside_all_and_ranker_by_ranker():
    (section,) = sign_ups(known(**{SIGN_UPS: NEW}))
    assert section.sentences[0].startswith("Companies that began in the 7 days before a list have ")
    assert section.sentences[0].endswith("1,035 rows of the holdout with 5 conversions, 25% of all 20.")
    by_population, by_ranker = section.tables
    assert by_population.rows == (
        (ALL, "3,021", "20", "1.23%", "0.250", "0.2"),
        (SIGN_UPS, "1,035", "5", "1.23%", "0.500", "0.5"),
    )
    assert by_ranker.rows == (
        (MODEL, "0.500", "0.500", "0.500", "0.500", "0.5"),
        (RANDOM, "0.125", "0.125", "0.125", "0.125", "0.1"),
    )
    assert by_ranker.marked == 0


def test_of_no_conversions_at_all_no_share_is_told():
    (section,) = sign_ups(known(positives=0, **{SIGN_UPS: NEW}))
    assert section.sentences[0].endswith("with 5 conversions.")


def backtest(**changed):
    lists = [
        SimpleNamespace(prospects={SIGN_UPS: n}, conversions={SIGN_UPS: paid})
        for n, paid in ((1000, 3), (0, 0), (500, 1))
    ]
    means = {name: dict.fromkeys(SHOWN, value) for name, value in ((RANDOM, 0.125), (MODEL, 0.25))}
    sure = {
        MODEL: {"average_precision": Estimate(0.25, 0.2, 0.3)},
        RANDOM: {"average_precision": Estimate(1, 0, 2)},
    }
    return SimpleNamespace(
        **{"cutoffs": lists, "mean": {SIGN_UPS: means}, "intervals": {SIGN_UPS: sure}, **changed}
    )


def test_past_lists_are_told_over_those_that_hold_new_ones():
    (section,) = sign_ups(known(back=backtest(), **{SIGN_UPS: NEW}))
    past = section.tables[2]
    assert past.caption == f"Means over 2 past lists, {SIGN_UPS}: 1,500 in all, 4 conversions"
    assert past.rows == (
        (RANDOM, "0.125", "0.125", "0.125", "0.125", "0.1"),
        (MODEL, "0.250 (0.200 to 0.300)", "0.250", "0.250", "0.250", "0.2"),
    )
    assert past.marked == 1
    (without,) = sign_ups(known(back=backtest(mean={ALL: {}}), **{SIGN_UPS: NEW}))
    assert len(without.tables) == 2
