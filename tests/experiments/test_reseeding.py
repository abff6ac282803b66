"""How far figures move with the seed alone: each of other seeds is judged on the same holdout."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.experiments.reseeding import STEADINESS, SeedSpread, seed_spreads
from ml_sys.metrics.ranking import Outcomes, ranking_metrics
from ml_sys.model.split import Source, split
from ml_sys.model.train import fit_model, spec_from
from tests.model import world as w

# Of part of the rows and columns, so that the seed matters.
SETTINGS = w.settings(
    seed=11,
    report={"backtest": False, "resampling": False, "seeds": 2},
    engine={"workers": 1},
    model={"max_trees": 5, "trees": 5, "params": {"subsample": 0.5, "colsample_bytree": 0.5}},
)
SPEC = spec_from(SETTINGS)
PART, HOLDOUT = split(Source.of(w.small_world(), SETTINGS), SPEC, SETTINGS)


def test_a_spread_is_described_by_mean_deviation_and_ends() -> None:
    found = SeedSpread.of("roc_auc", [0.5, 0.9, 0.7])
    assert found.values == (0.5, 0.9, 0.7)
    assert (found.mean, found.lowest, found.highest) == (pytest.approx(0.7), 0.5, 0.9)
    assert found.deviation == pytest.approx(np.sqrt(0.08 / 3))


def test_each_fit_has_a_seed_of_its_own_after_that_of_the_settings_and_is_judged_on_the_holdout() -> None:
    found = seed_spreads(PART, HOLDOUT, SPEC, SETTINGS, shares=(1.0, 0.5))
    assert [one.metric for one in found] == list(STEADINESS)
    expected = []
    for seed in (12, 13):
        asked = SETTINGS.model_copy(update={"seed": seed})
        model, _ = fit_model(PART.train, PART.validation, SPEC, asked)
        score = model.probabilities(HOLDOUT.rows)
        judged = Outcomes(score, HOLDOUT.label, HOLDOUT.cutoff, HOLDOUT.company, 0.5)
        expected.append(ranking_metrics(judged, np.ones((1, score.size))))
    for one in found:
        assert one.values == tuple(float(metrics[one.metric][0]) for metrics in expected)
    assert len(set(found[0].values)) == 2


def test_no_seeds_are_no_spread() -> None:
    none = SETTINGS.model_copy(update={"report": SETTINGS.report.model_copy(update={"seeds": 0})})
    assert seed_spreads(PART, HOLDOUT, SPEC, none, shares=(1.0, 1.0)) == ()
