"""The holdout's figures: each population by itself, the model beside the rules and chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.features.rules import NEWEST
from ml_sys.metrics.bootstrap import Estimate, estimate
from ml_sys.metrics.calibration import probability_metrics
from ml_sys.metrics.holdout import ALL, SEEN, SIGN_UPS, evaluate_holdout, from_plain, table_of, to_plain
from ml_sys.metrics.ranking import Outcomes, random_metrics, ranking_metrics
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.settings import BootstrapSettings

N = 300
RNG = np.random.default_rng(5)
LABEL = RNG.random(N) < 0.2
PROBABILITY = np.clip(0.2 * RNG.random(N) + 0.3 * LABEL * RNG.random(N), 0, 1)
PANEL = Panel(
    rows=Rows.of(pd.DataFrame({"one": np.zeros(N, np.float32)})),
    company=(np.arange(N) // 2).astype(np.int32),
    cutoff=(np.arange(N) % 2).astype(np.int32),
    label=LABEL,
    seen=RNG.random(N) < 0.6,
    rules={"rule": (LABEL + RNG.random(N)).astype(np.float32)},
)
ASKED = BootstrapSettings(resamples=40, confidence=0.8)


def outcomes(rows: np.ndarray, score: np.ndarray = PROBABILITY, share: float = 0.5) -> Outcomes:
    return Outcomes(score[rows], LABEL[rows], PANEL.cutoff[rows], PANEL.company[rows], share)


@pytest.mark.parametrize(("population", "rows"), [(ALL, np.ones(N, dtype=bool)), (SEEN, PANEL.seen)])
def test_every_figure_is_that_of_the_rows_of_its_population(population: str, rows: np.ndarray) -> None:
    found = evaluate_holdout(PANEL, PROBABILITY, threshold=0.25, bootstrap=ASKED, seed=3, share=0.5)
    ours, once = found[population], np.ones((1, int(rows.sum())))
    model = outcomes(rows)
    expected = {**ranking_metrics(model, once), **probability_metrics(model, once, 0.25)}
    rule = ranking_metrics(outcomes(rows, PANEL.rules["rule"].astype(np.float64)), once)
    np.testing.assert_equal(
        {n: one.value for n, one in ours[MODEL].items()}, {n: v[0] for n, v in expected.items()}
    )
    np.testing.assert_equal(
        {n: one.value for n, one in ours["rule"].items()}, {n: v[0] for n, v in rule.items()}
    )
    np.testing.assert_equal({n: one.low for n, one in ours[RANDOM].items()}, random_metrics(model))
    again = estimate(
        lambda weights: {"precision_at_10": ranking_metrics(model, weights)["precision_at_10"]},
        model.company,
        resamples=40,
        confidence=0.8,
        seed=3,
        label=model.label,
    )
    assert ours[MODEL]["precision_at_10"] == again["precision_at_10"]


def test_where_nobody_was_seen_in_usage_there_is_one_population() -> None:
    unseen = Panel(PANEL.rows, PANEL.company, PANEL.cutoff, LABEL, np.zeros(N, dtype=bool), {})
    assert list(evaluate_holdout(unseen, PROBABILITY, threshold=0.5, bootstrap=ASKED, seed=1)) == [ALL]


def test_those_that_began_in_the_week_before_a_cutoff_are_a_population_of_their_own() -> None:
    ago = np.resize(np.array([-400, -8, -7, -1, -(10**6)], dtype=np.float32), N)
    rows = np.isin(ago, [-7, -1])
    told = replace(PANEL, rules={**PANEL.rules, NEWEST: ago})
    found = evaluate_holdout(told, PROBABILITY, threshold=0.25, bootstrap=ASKED, seed=3, share=0.5)
    assert list(found) == [ALL, SEEN, SIGN_UPS]
    model = found[SIGN_UPS][MODEL]
    once = np.ones((1, int(rows.sum())))
    assert model["lift_at_10"].value == ranking_metrics(outcomes(rows), once)["lift_at_10"][0]
    assert model["true_positives"].value + model["false_negatives"].value == LABEL[rows].sum()
    newest = ranking_metrics(outcomes(rows, ago.astype(np.float64)), once)
    assert found[SIGN_UPS][NEWEST]["average_precision"].value == newest["average_precision"][0]


def test_where_nobody_is_new_or_nobody_knows_who_is_there_is_no_such_population() -> None:
    old = replace(PANEL, rules={NEWEST: np.full(N, -8, dtype=np.float32)})
    for panel in (old, PANEL):
        found = evaluate_holdout(panel, PROBABILITY, threshold=0.5, bootstrap=ASKED, seed=1)
        assert SIGN_UPS not in found


def test_figures_that_are_not_defined_are_written_as_nothing_and_read_as_not_a_number() -> None:
    found = {ALL: {MODEL: {"recall": Estimate(float("nan"), 0.25, float("nan")), "f1": Estimate(0.5, 0, 1)}}}
    plain = to_plain(found)
    assert plain == {
        ALL: {
            MODEL: {
                "recall": {"value": None, "low": 0.25, "high": None},
                "f1": {"value": 0.5, "low": 0, "high": 1},
            }
        }
    }
    np.testing.assert_equal(
        {name: vars(one) for name, one in from_plain(plain)[ALL][MODEL].items()},
        {name: vars(one) for name, one in found[ALL][MODEL].items()},
    )


def test_a_table_has_a_row_for_each_figure() -> None:
    found = {
        ALL: {MODEL: {"f1": Estimate(0.5, 0.25, 0.75)}, RANDOM: {"roc_auc": Estimate(0.5, 0.5, 0.5)}},
        SEEN: {MODEL: {"f1": Estimate(float("nan"), 0, 1)}},
    }
    table = table_of(found)
    assert table.index.names == ["population", "ranker", "metric"]
    assert table.index.tolist() == [(ALL, MODEL, "f1"), (ALL, RANDOM, "roc_auc"), (SEEN, MODEL, "f1")]
    assert table.columns.tolist() == ["value", "low", "high"]
    assert table.loc[(ALL, MODEL, "f1")].tolist() == [0.5, 0.25, 0.75]
    assert np.isnan(table.loc[(SEEN, MODEL, "f1"), "value"])


def test_rows_are_whole_lists_unless_they_are_said_to_be_a_share() -> None:
    asked = {"threshold": 0.25, "bootstrap": ASKED, "seed": 3}
    assert to_plain(evaluate_holdout(PANEL, PROBABILITY, **asked)) == to_plain(
        evaluate_holdout(PANEL, PROBABILITY, share=1.0, **asked)
    )
